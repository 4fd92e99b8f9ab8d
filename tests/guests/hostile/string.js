// A string that doubles for ever. A RangeError, at a length that is the same everywhere, or memory before that.
let text = 'x';
while (true) text += text;
