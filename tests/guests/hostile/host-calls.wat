;; Calls the host for ever. Ends by the number of calls, whatever each of them answers.
(module
  (import "host" "storage_get" (func $get (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\"key\":\"a\"}")
  (func (export "abi_alloc") (param i32) (result i32) (i32.const 4096))
  (func (export "run") (param i32 i32) (result i64)
    (loop $again (drop (call $get (i32.const 0) (i32.const 11))) (br $again))
    (unreachable)))
