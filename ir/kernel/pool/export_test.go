package pool

// What tests call.
var (
	Reciprocal = reciprocal
	Greatest   = greatest
	AllOnes    = allOnes
)
