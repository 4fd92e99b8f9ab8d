// A hundred thousand opening brackets. A RangeError at a depth that is the same everywhere.
JSON.parse('['.repeat(1e5));
