;; A WASI preview 1 command that sleeps a day, and prints a JSON string of the clock's seconds and one random byte.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $digits (param $n i64) (param $end i32)
    (loop $next
      (local.set $end (i32.sub (local.get $end) (i32.const 1)))
      (i32.store8 (local.get $end) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $n) (i64.const 10)))))
      (local.set $n (i64.div_u (local.get $n) (i64.const 10)))
      (br_if $next (i64.ne (local.get $n) (i64.const 0)))))
  (func (export "_start")
    ;; subscription at 100: user data 7, clock, realtime, 86400 s
    (i64.store (i32.const 100) (i64.const 7))
    (i64.store (i32.const 124) (i64.const 86400000000000))
    (drop (call $poll (i32.const 100) (i32.const 200) (i32.const 1) (i32.const 8)))
    (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 16)))
    (drop (call $random (i32.const 32) (i32.const 1)))
    (memory.fill (i32.const 300) (i32.const 48) (i32.const 13))
    (i32.store8 (i32.const 300) (i32.const 91)) ;; [
    (i32.store8 (i32.const 301) (i32.const 34)) ;; "
    (call $digits (i64.div_u (i64.load (i32.const 16)) (i64.const 1000000000)) (i32.const 312))
    (i32.store8 (i32.const 312) (i32.const 34)) ;; "
    (i32.store8 (i32.const 313) (i32.const 44)) ;; ,
    (i32.store8 (i32.const 314) (i32.const 49)) ;; 1, so that no number starts with 0
    (memory.fill (i32.const 315) (i32.const 48) (i32.const 3))
    (call $digits (i64.load8_u (i32.const 32)) (i32.const 318))
    (i32.store8 (i32.const 318) (i32.const 93)) ;; ]
    (i32.store (i32.const 0) (i32.const 300))
    (i32.store (i32.const 4) (i32.const 19))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
