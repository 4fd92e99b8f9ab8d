package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Context is what a run is told. Numbers that may pass 2^53 are decimal texts.
type Context struct {
	JobID     string            `json:"job_id"`
	TaskID    string            `json:"task_id"`
	Due       string            `json:"due"`
	Attempt   int               `json:"attempt"`
	Trigger   Trigger           `json:"trigger"`
	Arguments []json.RawMessage `json:"arguments"`
	// Pinned holds the block that each chain is read at, by the chain's id.
	Pinned map[string]Block `json:"pinned"`
}

// Trigger is what set the task off.
type Trigger struct {
	// Kind is time, event, condition or manual.
	Kind        string `json:"kind"`
	ChainID     uint64 `json:"chain_id"`
	BlockNumber uint64 `json:"block_number"`
	TxHash      string `json:"tx_hash"`
	// Log is the log that fired, of an event.
	Log *Log `json:"log"`
	// Value is what was observed, of a condition.
	Value string `json:"value"`
}

// Block names a block.
type Block struct {
	Number uint64 `json:"number"`
	Hash   string `json:"hash"`
}

// Decision is the result of a script that chooses the call itself.
type Decision struct {
	ShouldExecute  bool              `json:"shouldExecute"`
	TargetContract string            `json:"targetContract,omitempty"`
	Calldata       string            `json:"calldata,omitempty"`
	StorageUpdates map[string]string `json:"storageUpdates,omitempty"`
	Metadata       map[string]any    `json:"metadata,omitempty"`
}

type skip string

func (s skip) Error() string { return string(s) }

// Skip is the error of a script that has nothing to do now: the task is skipped for that reason.
func Skip(reason string) error { return skip(reason) }

// Run gives the script its context and the host its result: the arguments as a slice, or a [Decision]. An error fails
// the run with its text, one of [Skip] skips it.
func Run(script func(Context) (any, error)) {
	os.Exit(run(script, os.Stdin, os.Stdout, os.Stderr))
}

const (
	exitFailed  = 1
	exitSkipped = 64
)

func run(script func(Context) (any, error), in io.Reader, out, log io.Writer) int {
	var ctx Context
	err := json.NewDecoder(in).Decode(&ctx)
	if err != nil {
		err = fmt.Errorf("the context: %w", err)
	}
	var result any
	if err == nil {
		result, err = script(ctx)
	}
	var text []byte
	if err == nil {
		text, err = json.Marshal(result)
	}
	if err != nil {
		fmt.Fprintln(log, err)
		var reason skip
		if errors.As(err, &reason) {
			return exitSkipped
		}
		return exitFailed
	}
	fmt.Fprintln(out, string(text))
	return 0
}
