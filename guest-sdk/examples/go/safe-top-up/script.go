// A Safe pays an operator's account up to one ether once it falls below a half. The job's function is the module's
// execJobFromHub(address safe, address to, uint256 value, bytes data, uint8 operation).
package main

import (
	"encoding/json"
	"fmt"
	"math/big"

	"argus/guest"
)

const (
	chain     = 11155111
	operation = 0 // a call
)

var (
	full  = new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil)
	least = new(big.Int).Div(full, big.NewInt(2))
)

func main() {
	guest.Run(func(ctx guest.Context) (any, error) {
		var safe, account string
		if err := json.Unmarshal(ctx.Arguments[0], &safe); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(ctx.Arguments[1], &account); err != nil {
			return nil, err
		}
		held, err := guest.Chain(chain).Balance(account)
		if err != nil {
			return nil, err
		}
		if held.Cmp(least) >= 0 {
			return nil, guest.Skip(fmt.Sprintf("%s has %s wei: enough", account, held))
		}
		missing := new(big.Int).Sub(full, held)
		return []any{safe, account, missing.String(), "0x", operation}, nil
	})
}
