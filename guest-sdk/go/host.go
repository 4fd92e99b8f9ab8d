package guest

import (
	"encoding/json"
	"fmt"
)

// host makes one call of the host's. Outside the sandbox there is none, unless a test puts one here with [Within].
var host = func(name string, _ []byte) ([]byte, error) {
	return nil, fmt.Errorf("%s: outside the sandbox; use guest.Within in tests", name)
}

// Within runs a test's function with a host of its own: it is given the name of each call and its request as JSON, and
// gives what comes back as "ok", or an error.
func Within(answer func(name string, request json.RawMessage) (any, error), run func()) {
	before := host
	defer func() { host = before }()
	host = func(name string, request []byte) ([]byte, error) {
		value, err := answer(name, request)
		if err != nil {
			return json.Marshal(map[string]any{"err": map[string]string{"kind": "transport", "message": err.Error()}})
		}
		return json.Marshal(map[string]any{"ok": value})
	}
	run()
}

// Error is what the host says instead of answering.
type Error struct {
	// Kind is invalid, denied, timeout, transport or reverted.
	Kind string `json:"kind"`
	// Message says what happened and what to do.
	Message string `json:"message"`
	// Data is what a reverted call reverted with, as hexadecimal.
	Data string `json:"data,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// ask makes a call and reads its answer into a value; a null leaves the value as it is.
func ask(name string, request, into any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	reply, err := host(name, text)
	if err != nil {
		return err
	}
	var answer struct {
		OK  json.RawMessage `json:"ok"`
		Err *Error          `json:"err"`
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		return fmt.Errorf("%s: the host's reply: %w", name, err)
	}
	if answer.Err != nil {
		return answer.Err
	}
	if into == nil || answer.OK == nil {
		return nil
	}
	return json.Unmarshal(answer.OK, into)
}
