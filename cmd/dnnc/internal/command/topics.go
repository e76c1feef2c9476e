package command

import (
	"fmt"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/quote"
)

// example is how something is given to dnnc: what it is, how Python writes it, and the command that
// takes it.
type example struct {
	what    string
	written []string
	command string
}

// text is the example's lines.
func (e example) text() string {
	lines := []string{e.what}
	for _, w := range e.written {
		lines = append(lines, "    "+w)
	}
	return strings.Join(append(lines, "    "+e.command), "\n") + "\n"
}

// evaluated is the command that measures a network by a task.
func evaluated(task, more string) string {
	return fmt.Sprintf("dnnc eval net.onnx %s -calib train.npz -data test.npz%s", quote.Flag("task", task), more)
}

const imported = "import numpy as np"

// tasks shows for each task its data, and a command that measures a network by it.
func tasks() string {
	save := `np.savez("test.npz", x=x, y=y)`
	var b strings.Builder
	b.WriteString(`A network is judged by what its results mean. dnnc check net.onnx says which task it takes for
told, and how to say another one. Each example saves 'test.npz'; 'train.npz' is made likewise from the
data of the training. Numbers stand for themselves, and lie in the range of the input: -range
says it. Without y, the answers of the float network are right.

`)
	for _, e := range []example{
		{ir.Classes + ": one label an item. y is a whole number an item, from 0 on", []string{imported, save + "  # y: int [N]"}, evaluated(ir.Classes, "")},
		{ir.Classes + " along an axis: one label for each position, as in segmentation. y is a mask an item; 255, -1 and -100 are no class", []string{imported, save + "  # y: int [N,H,W]; results [C,H,W] have classes along axis 0"}, evaluated(ir.Task{Name: ir.Classes}.String(), "")},
		{ir.Binary + ": yes or no, by one sigmoid or its logit. y is 0 or 1 an item", []string{imported, save + "  # y: int [N]"}, evaluated(ir.Binary, "")},
		{ir.Multilabel + ": several labels an item, each yes or no. y is 0 or 1 for each", []string{imported, save + "  # y: int [N,L]"}, evaluated(ir.Multilabel, "")},
		{ir.Values + ": numbers, as of a regression. y is a number for each element of the result", []string{imported, save + "  # y: float [N,D]"}, evaluated(ir.Values, "")},
		{ir.Reconstruction + ": the input again, as of an autoencoder. y is 0 of normal items and 1 of others", []string{imported, save + "  # y: int [N]"}, evaluated(ir.Reconstruction, "")},
		{ir.EmbeddingTask + ": a direction. y is a whole number that related items share", []string{imported, save + "  # y: int [N]"}, evaluated(ir.EmbeddingTask, "")},
		{"several results: each has a task, perhaps a weight, and labels in an array of its name; or -labels says the array", []string{imported, `np.savez("test.npz", x=x, score=kinds, box=boxes)  # kinds: int [N], boxes: float [N,4]`}, evaluated("score=classes, box=values weight: 2", "")},
		{"The same flags are those of a build that searches the widths of the layers", nil, "dnnc build net.onnx -O robust -bits 4 " + quote.Flag("task", ir.Values) + " -calib train.npz -data test.npz -target armv7em -o net.o"},
	} {
		b.WriteString(e.text() + "\n")
	}
	b.WriteString("dnnc help data lists the formats of data, dnnc help errors the errors that networks are to withstand.\n")
	return b.String()
}

// formats shows for each format of data how it is written, and a command that takes it.
func formats() string {
	evaluate := func(task, calib, data, more string) string {
		return fmt.Sprintf("dnnc eval net.onnx %s -calib %s -data %s%s", quote.Flag("task", task), calib, data, more)
	}
	var b strings.Builder
	b.WriteString(`Data are told apart by their shapes: the first line of each command says what was taken for items
and labels, what was left out, and why. Bytes (uint8) and pictures span the range of the input, other
numbers stand for themselves.

`)
	for _, e := range []example{
		{"npz: an array of items and one of labels, of any names", []string{imported, `np.savez("test.npz", x=x, y=y)`}, evaluate(ir.Classes, "train.npz", "test.npz", "")},
		{"npz of other names, or of several arrays that fit", []string{imported, `np.savez("test.npz", early=x, late=x2, coarse=y, fine=y2)`}, evaluate(ir.Classes, "train.npz", "test.npz", " -inputs late -labels fine")},
		{"npy: the labels in a file beside it", []string{imported, `np.save("x_test.npy", x); np.save("y_test.npy", y)`}, evaluate(ir.Classes, "x_train.npy", "x_test.npy", "")},
		{"CSV: a row an item, and a header; the label is a column y, label, target or class, or what -labels names", []string{imported, `np.savetxt("test.csv", np.c_[x.reshape(len(x), -1), angle], delimiter=",", header=",".join([f"x{i}" for i in range(x[0].size)] + ["angle"]), comments="")`}, evaluate(ir.Values, "train.csv", "test.csv", " -labels angle")},
		{"pictures: PNG or JPEG in a folder for each class, as test/cat/1.png, test/dog/2.png; -resize scales them", nil, evaluate(ir.Classes, "train", "test", "")},
		{"pictures with masks: test/images/1.png and test/masks/1.png, whose gray levels or palette indices are the classes", nil, evaluate(ir.Task{Name: ir.Classes}.String(), "train", "test", "")},
		{"recordings: WAV in a folder for each class, as test/yes/1.wav, test/no/2.wav", nil, evaluate(ir.Classes, "train", "test", "")},
		{"IDX as MNIST comes, also gzipped: the labels lie beside the images", nil, evaluate(ir.Classes, "train-images-idx3-ubyte", "test-images-idx3-ubyte", "")},
	} {
		b.WriteString(e.text() + "\n")
	}
	b.WriteString("dnnc help tasks shows the labels of each task.\n")
	return b.String()
}
