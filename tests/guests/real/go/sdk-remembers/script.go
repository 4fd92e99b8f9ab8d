// Counts its runs, and keeps the highest price that it ever saw: the SDK's storage.
package main

import (
	"encoding/json"
	"math/big"
	"strconv"

	"argus/guest"
)

func remembered(key string) (*big.Int, error) {
	text, ok, err := guest.StorageGet(key)
	if err != nil || !ok {
		return new(big.Int), err
	}
	n, _ := new(big.Int).SetString(string(text), 10)
	return n, nil
}

func main() {
	guest.Run(func(ctx guest.Context) (any, error) {
		runs, err := remembered("runs")
		if err != nil {
			return nil, err
		}
		highest, err := remembered("highest")
		if err != nil {
			return nil, err
		}
		var told string
		if err := json.Unmarshal(ctx.Arguments[0], &told); err != nil {
			return nil, err
		}
		price, err := strconv.ParseInt(told, 10, 64)
		if err != nil {
			return nil, err
		}
		if seen := big.NewInt(price); seen.Cmp(highest) > 0 {
			highest = seen
		}
		runs.Add(runs, big.NewInt(1))
		if err := guest.StorageSet("runs", []byte(runs.String())); err != nil {
			return nil, err
		}
		if err := guest.StorageSet("highest", []byte(highest.String())); err != nil {
			return nil, err
		}
		if err := guest.StorageDelete("draft"); err != nil {
			return nil, err
		}
		// A run reads what it wrote itself.
		_, hasDraft, err := guest.StorageGet("draft")
		return []any{runs, highest, hasDraft}, err
	})
}
