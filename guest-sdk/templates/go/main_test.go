package main

import (
	"math/big"
	"testing"
)

func TestUnits(t *testing.T) {
	for text, expect := range map[string]string{"3012.45": "301245000000", "7": "700000000", "1.123456789": "112345678"} {
		if n, err := units(text); err != nil || n.String() != expect {
			t.Errorf("%s: %v %v, not %s", text, n, err, expect)
		}
	}
	for _, text := range []string{"", ".5", "x", "-1", "1e3"} {
		if n, err := units(text); err == nil {
			t.Errorf("%q: %v", text, n)
		}
	}
}

func TestMiddle(t *testing.T) {
	if price, reason := middle([]*big.Int{big.NewInt(102), big.NewInt(100)}); reason != "" || price.Int64() != 101 {
		t.Errorf("%v %s", price, reason)
	}
	if _, reason := middle([]*big.Int{big.NewInt(103), big.NewInt(100)}); reason == "" {
		t.Error("3 % apart is too far")
	}
}
