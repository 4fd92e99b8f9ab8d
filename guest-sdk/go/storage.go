package guest

import (
	"encoding/hex"
	"strings"
)

// StorageGet is what the job remembers under a key; false: nothing.
func StorageGet(key string) ([]byte, bool, error) {
	var text *string
	if err := ask("storage_get", map[string]any{"key": key}, &text); err != nil || text == nil {
		return nil, false, err
	}
	value, err := hex.DecodeString(strings.TrimPrefix(*text, "0x"))
	return value, err == nil, err
}

// StorageSet remembers a value. It counts once the run's call is on the chain, and the run itself reads it at once.
func StorageSet(key string, value []byte) error {
	return ask("storage_set", map[string]any{"key": key, "value": "0x" + hex.EncodeToString(value)}, nil)
}

// StorageDelete forgets what is under a key.
func StorageDelete(key string) error {
	return ask("storage_delete", map[string]any{"key": key}, nil)
}
