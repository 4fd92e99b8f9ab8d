package guest

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
)

// Words encodes a call of a function whose arguments each fill one word: addresses as 0x text, integers as *big.Int,
// int or uint64, and bool. The selector is the first four bytes of the signature's hash, as 0x text. For arrays, bytes
// and strings there is go-ethereum's accounts/abi.
func Words(selector string, arguments ...any) ([]byte, error) {
	data, err := hex.DecodeString(strings.TrimPrefix(selector, "0x"))
	if err != nil || len(data) != 4 {
		return nil, fmt.Errorf("%q is no selector: four bytes as hexadecimal", selector)
	}
	for _, argument := range arguments {
		word, err := word(argument)
		if err != nil {
			return nil, err
		}
		data = append(data, word[:]...)
	}
	return data, nil
}

func word(argument any) (word [32]byte, err error) {
	n := new(big.Int)
	switch value := argument.(type) {
	case string:
		bytes, err := hex.DecodeString(strings.TrimPrefix(value, "0x"))
		if err != nil || len(bytes) != 20 {
			return word, fmt.Errorf("%q is no address", value)
		}
		n.SetBytes(bytes)
	case *big.Int:
		n.Set(value)
	case int:
		n.SetInt64(int64(value))
	case uint64:
		n.SetUint64(value)
	case bool:
		if value {
			n.SetInt64(1)
		}
	default:
		return word, fmt.Errorf("%T does not fill one word: encode it with go-ethereum's accounts/abi", argument)
	}
	if n.Sign() < 0 {
		// Two's complement.
		n.Add(n, new(big.Int).Lsh(big.NewInt(1), 256))
	}
	if n.Sign() < 0 || n.BitLen() > 256 {
		return word, fmt.Errorf("%v does not fit 256 bits", argument)
	}
	n.FillBytes(word[:])
	return word, nil
}

// Uint reads one word of what a call returned.
func Uint(returned []byte, at int) (*big.Int, error) {
	if at < 0 || len(returned) < 32*(at+1) {
		return nil, fmt.Errorf("%d bytes were returned, which is no word %d", len(returned), at)
	}
	return new(big.Int).SetBytes(returned[32*at : 32*(at+1)]), nil
}
