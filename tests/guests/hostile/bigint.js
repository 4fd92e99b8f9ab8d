// Squares until something gives. Ends by fuel: the memory would come later.
let x = 3n;
while (true) x = x * x;
