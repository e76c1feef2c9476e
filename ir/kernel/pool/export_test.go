package pool

// Reciprocal is reciprocal.
var Reciprocal = reciprocal
