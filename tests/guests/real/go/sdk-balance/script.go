// Mints once an account holds enough of a token, read at the pinned block with the SDK.
package main

import (
	"math/big"

	"argus/guest"
)

const (
	token  = "0x6B175474E89094C44Da98b954EedeAC495271d0F"
	holder = "0x00000000219ab540356cBB839Cbe05303d7705Fa"
)

func main() {
	guest.Run(func(ctx guest.Context) (any, error) {
		// balanceOf(address)
		data, err := guest.Words("0x70a08231", holder)
		if err != nil {
			return nil, err
		}
		returned, err := guest.Chain(1).Call(token, data)
		if err != nil {
			return nil, err
		}
		balance, err := guest.Uint(returned, 0)
		if err != nil {
			return nil, err
		}
		if balance.Cmp(big.NewInt(1000)) < 0 {
			return nil, guest.Skip("too little")
		}
		wei, err := guest.Chain(1).Balance(holder)
		if err != nil {
			return nil, err
		}
		return []any{holder, balance, wei, ctx.Pinned["1"].Number}, nil
	})
}
