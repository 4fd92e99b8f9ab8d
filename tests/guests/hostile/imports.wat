;; Asks for what no run provides. Refused by name.
(module
  (import "env" "system" (func (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "host" "open_socket" (func (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "abi_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "run") (param i32 i32) (result i64) (i64.const 0)))
