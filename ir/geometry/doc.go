// Package geometry is what a node means in numbers: where its windows, rows and matrices
// lie, the integers of its weights, and the parameters of its integer arithmetic, as the
// node's types, attributes and constants give them. Passes, the interpreter and code
// generation read them here, so none of them derives them again. The arithmetic of one
// number (rules R1 and R5 to R8 of runtime/kernels) is here, too; that of tensors is in
// runtime/kernels. The package imports nothing but ir.
package geometry
