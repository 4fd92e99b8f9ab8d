;; Grows its table for ever. Ends by fuel: growth past the limit is refused, and costs some.
(module
  (memory (export "memory") 1)
  (table $table 1 funcref)
  (func (export "abi_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "run") (param i32 i32) (result i64)
    (loop $again (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $again))
    (unreachable)))
