;; Declares tables of 2^32 - 1 elements. Refused.
(module
  (memory (export "memory") 1)
  (table 0xffffffff funcref)
  (func (export "abi_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "run") (param i32 i32) (result i64) (i64.const 0)))
