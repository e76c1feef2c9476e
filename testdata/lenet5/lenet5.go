// Package lenet5 is the example that dnnc demo unpacks: LeNet-5, its weights, and a sample
// of Fashion-MNIST with its licence.
package lenet5

import "embed"

// Files are those of the example, under their own names.
//
//go:embed lenet5.dnn lenet5.safetensors LICENSE.fashion-mnist *.gz
var Files embed.FS
