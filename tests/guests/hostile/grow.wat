;; Takes memory a page at a time, writes to each, and asks on when it is refused. Ends by fuel: a refused growth costs
;; some, and what was granted stays within the memory limit.
(module
  (memory (export "memory") 1)
  (func (export "abi_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "run") (param i32 i32) (result i64)
    (local $page i32)
    (loop $again
      (local.set $page (memory.grow (i32.const 1)))
      (if (i32.ne (local.get $page) (i32.const -1))
        (then (i32.store (i32.shl (local.get $page) (i32.const 16)) (i32.const 1))))
      (br $again))
    (unreachable)))
