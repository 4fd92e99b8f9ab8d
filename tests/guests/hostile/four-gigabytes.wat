;; Declares 4 GB. Refused: more than any job may have.
(module
  (memory (export "memory") 65536)
  (func (export "abi_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "run") (param i32 i32) (result i64) (i64.const 0)))
