// Recurses without end: the author sees a RangeError.
function deeper() { deeper(); }
deeper();
