;; Pretends to be a script that the platform compiled. Refused, whatever engine it names.
(module
  (import "js-engine-0000000000000000000000000000000000000000000000000000000000000000" "memory" (memory 0))
  (import "js-engine-0000000000000000000000000000000000000000000000000000000000000000" "run_script"
    (func (param i32 i32 i32 i32) (result i64)))
  (func (export "run") (param i32 i32) (result i64) (i64.const 0)))
