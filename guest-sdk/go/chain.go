package guest

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
)

// Chain is a chain by its id. It is read at the block that the run is pinned to, so that every keeper reads the same.
type Chain uint64

// Log is a contract's event.
type Log struct {
	Address         string   `json:"address"`
	Topics          []string `json:"topics"`
	Data            string   `json:"data"`
	BlockNumber     uint64   `json:"block_number"`
	BlockHash       string   `json:"block_hash"`
	TransactionHash string   `json:"transaction_hash"`
	LogIndex        uint64   `json:"log_index"`
}

// Filter says which logs are meant. A topic that is nil fits any; without blocks it is the pinned one alone.
type Filter struct {
	Address   string    `json:"address,omitempty"`
	Topics    []*string `json:"topics,omitempty"`
	FromBlock uint64    `json:"from_block,omitempty"`
	ToBlock   uint64    `json:"to_block,omitempty"`
}

// Call is eth_call: what a contract returns for calldata. A revert is an [Error] of the kind reverted.
func (c Chain) Call(to string, data []byte) ([]byte, error) {
	request := map[string]any{"chain_id": uint64(c), "to": to, "data": "0x" + hex.EncodeToString(data)}
	var text string
	if err := ask("evm_call", request, &text); err != nil {
		return nil, err
	}
	return hex.DecodeString(strings.TrimPrefix(text, "0x"))
}

// BlockNumber is the height of the pinned block.
func (c Chain) BlockNumber() (uint64, error) {
	var number uint64
	err := ask("evm_block_number", map[string]any{"chain_id": uint64(c)}, &number)
	return number, err
}

// Balance is an account's, in wei.
func (c Chain) Balance(address string) (*big.Int, error) {
	var text string
	if err := ask("evm_balance", map[string]any{"chain_id": uint64(c), "address": address}, &text); err != nil {
		return nil, err
	}
	wei, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, fmt.Errorf("the host gave %q for a balance", text)
	}
	return wei, nil
}

// Logs are those that fit, oldest first.
func (c Chain) Logs(filter Filter) ([]Log, error) {
	request := struct {
		ChainID uint64 `json:"chain_id"`
		Filter
	}{uint64(c), filter}
	var logs []Log
	err := ask("evm_logs", request, &logs)
	return logs, err
}
