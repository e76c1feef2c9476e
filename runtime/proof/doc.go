// Package proof decides for which sizes of an error a quantized network answers rightly:
// for every size, not for a sample of them.
//
// An image under an error of one parameter, its size t in [0,1], takes finitely many values
// once it is quantized. Motion gives them for the kinds of error that move every element of
// the image one way: Path lists the distinct images of integers with the size at which each
// begins, At computes the image of one size by itself. All numbers are rational and exact.
// Net brings a network's integers from one image to the next by what changed, and stops at
// the first wrong answer.
//
// The image is that of exact arithmetic. A program that disturbs and quantizes reals in
// floating point gets the same image, but where an element lies so near to the bound between
// two integers that its arithmetic cannot tell: there the element may have either.
package proof
