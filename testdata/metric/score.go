// Score is a measure for dnnc eval -metric: go run score.go answers.npz labels.npz. It
// prints the accuracy of a network of one result; without labels the float network's
// answers stand for them.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/dnnc/dnnc/frontend/weights"
)

// items are the numbers of each item of an array.
func items(t weights.Tensor) [][]float32 {
	x, err := t.Float32()
	if err != nil {
		log.Fatal(err)
	}
	n := t.Shape[0]
	list := make([][]float32, n)
	for i := range list {
		list[i] = x[i*len(x)/n : (i+1)*len(x)/n]
	}
	return list
}

// greatest is the place of the first greatest number.
func greatest(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: score answers.npz labels.npz")
	}
	answers, err := weights.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	reference, err := weights.Open(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	name := answers.Names()[0]
	own, _ := answers.Tensor(name)
	labels, isLabelled := reference.Tensor("labels")
	if !isLabelled {
		labels, _ = reference.Tensor("float." + name)
	}
	list, right := items(labels), 0
	for i, x := range items(own) {
		label := greatest(list[i])
		if isLabelled {
			label = int(list[i][0])
		}
		if greatest(x) == label {
			right++
		}
	}
	fmt.Println(float64(right) / float64(len(list)))
}
