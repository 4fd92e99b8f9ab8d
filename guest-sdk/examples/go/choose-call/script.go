// For a job of kind 7: moves to the pool with the best rate, if it is worth a transaction.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"argus/guest"
)

const (
	rates     = "https://api.rates.example/best"
	leastBps  = 500
	rebalance = "0xf4993018"
)

func main() {
	guest.Run(func(guest.Context) (any, error) {
		reply, err := http.Get(rates)
		if err != nil {
			return nil, err
		}
		defer reply.Body.Close()
		var best struct {
			Pool   string `json:"pool"`
			ApyBps int64  `json:"apy_bps"`
		}
		if err := json.NewDecoder(reply.Body).Decode(&best); err != nil {
			return nil, err
		}
		if best.ApyBps < leastBps {
			reason := fmt.Sprintf("the best rate is %d basis points", best.ApyBps)
			return guest.Decision{Metadata: map[string]any{"reason": reason}}, nil
		}
		call, err := guest.Words(rebalance, uint64(best.ApyBps))
		if err != nil {
			return nil, err
		}
		return guest.Decision{ShouldExecute: true, TargetContract: best.Pool, Calldata: fmt.Sprintf("0x%x", call)}, nil
	})
}
