// Package guest is for scripts that want more of their host than net/http gives: reads of a chain at the block that
// the run is pinned to, what the job remembers from run to run, its secrets, the context as a value, and a result in the
// form that is expected.
//
// A program that uses it is a WASI command like any other, built with `argus module build`, which brings this module:
// a go.mod says `require argus/guest v0.0.0`, a program without one only imports it. (For editors and `go test`, add
// `replace argus/guest => ...` with the path of a copy inside the program's folder.)
//
//	func main() {
//		guest.Run(func(ctx guest.Context) (any, error) {
//			balance, err := guest.Chain(1).Balance("0x...")
//			if err != nil {
//				return nil, err
//			}
//			if balance.Sign() == 0 {
//				return nil, guest.Skip("nothing there")
//			}
//			return []any{balance}, nil
//		})
//	}
//
// HTTP goes through net/http, the clock through time, randomness through crypto/rand and math/rand/v2, the log through
// package log or standard error: all of them are the host's already.
package guest
