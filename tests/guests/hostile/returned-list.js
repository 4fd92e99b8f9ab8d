// Returns a list of a gigabyte. Ends by memory, or by fuel on the way there.
export default () => Array(1 << 27).fill(12345678);
