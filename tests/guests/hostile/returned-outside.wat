;; Returns 1 GB that it does not have. A trap.
(module
  (memory (export "memory") 1)
  (func (export "abi_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "run") (param i32 i32) (result i64) (i64.const 0x40000000)))
