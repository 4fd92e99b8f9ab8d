;; Returns all of its 32 MB. Ends by the output limit.
(module
  (memory (export "memory") 512)
  (func (export "abi_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "run") (param i32 i32) (result i64) (i64.const 0x2000000)))
