// Score is a measure for dnnc eval -metric: go run score.go accuracy|values answers.npz labels.npz
//
// accuracy is the share of items whose greatest answer is the label; values is 1 - rmse/std of
// one number an item. The network has one result. Without labels the float network's answers
// stand for them.
package main

import (
	"fmt"
	"log"
	"math"
	"os"
	"slices"
	"strings"

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

// numbers are the one number that an array has of each item.
func numbers(t weights.Tensor) (list []float64) {
	for _, x := range items(t) {
		if len(x) != 1 {
			log.Fatalf("%d numbers an item in %s, not one", len(x), t.Name)
		}
		list = append(list, float64(x[0]))
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

func accuracy(answers [][]float32, labels []float64) float64 {
	right := 0
	for i, x := range answers {
		if greatest(x) == int(labels[i]) {
			right++
		}
	}
	return float64(right) / float64(len(answers))
}

func values(answers [][]float32, labels []float64) float64 {
	n := float64(len(answers))
	mean, squares, variance := 0.0, 0.0, 0.0
	for i, x := range answers {
		d := float64(x[0]) - labels[i]
		mean, squares = mean+labels[i], squares+float64(d*d)
	}
	mean /= n
	for _, l := range labels {
		variance += float64((l - mean) * (l - mean))
	}
	return 1 - math.Sqrt(squares/n/(variance/n))
}

var measures = map[string]func(answers [][]float32, labels []float64) float64{"accuracy": accuracy, "values": values}

func main() {
	if len(os.Args) != 4 || measures[os.Args[1]] == nil {
		log.Fatal("usage: score accuracy|values answers.npz labels.npz")
	}
	answers, err := weights.Open(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	reference, err := weights.Open(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	if n := len(answers.Names()); n != 1 {
		log.Fatalf("the network has %d results, not one", n)
	}
	name := answers.Names()[0]
	own, _ := answers.Tensor(name)
	if os.Args[1] == "values" {
		numbers(own)
	}
	var labels []float64
	float, _ := reference.Tensor("float." + name)
	given := slices.DeleteFunc(slices.Clone(reference.Names()), func(s string) bool { return strings.HasPrefix(s, "float.") })
	switch t, isLabelled := reference.Tensor("labels"); {
	case isLabelled:
		labels = numbers(t)
	case len(given) > 0:
		log.Fatalf("labels.npz has labels as %s, not as labels", strings.Join(given, ", "))
	case os.Args[1] == "accuracy":
		for _, x := range items(float) {
			labels = append(labels, float64(greatest(x)))
		}
	default:
		labels = numbers(float)
	}
	fmt.Println(measures[os.Args[1]](items(own), labels))
}
