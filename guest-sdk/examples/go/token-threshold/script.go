// Reports an owner once it holds 1,000 units of a token with six decimals, read at the block pinned for the run.
package main

import (
	"encoding/json"
	"fmt"
	"math/big"

	"argus/guest"
)

const (
	chain     = 1
	token     = "0xa0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"
	balanceOf = "0x70a08231"
)

var least = big.NewInt(1_000_000_000)

func main() {
	guest.Run(func(ctx guest.Context) (any, error) {
		var owner string
		if err := json.Unmarshal(ctx.Arguments[0], &owner); err != nil {
			return nil, err
		}
		call, err := guest.Words(balanceOf, owner)
		if err != nil {
			return nil, err
		}
		returned, err := guest.Chain(chain).Call(token, call)
		if err != nil {
			return nil, err
		}
		held, err := guest.Uint(returned, 0)
		if err != nil {
			return nil, err
		}
		if held.Cmp(least) < 0 {
			return nil, guest.Skip(fmt.Sprintf("%s holds %s, less than %s", owner, held, least))
		}
		return []any{owner, held}, nil
	})
}
