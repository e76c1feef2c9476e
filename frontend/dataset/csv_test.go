package dataset

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
)

// tabular takes three numbers of [-10,10], and has a result of some elements.
func tabular(results int) Want {
	w := network([]int{3}, []int{results})
	w.Inputs[0].Low, w.Inputs[0].High = -10, 10
	return w
}

func TestCSV(t *testing.T) {
	with := func(results int, inputs, labels string) Want {
		w := tabular(results)
		split := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }
		w.Options = Options{Inputs: split(inputs), Labels: split(labels)}
		return w
	}
	for name, c := range map[string]struct {
		name, text string
		want       Want
		x          []float32
		labels     []int
		targets    []float32
		said       string
	}{
		"label by its name":    {"a.csv", "a,b,label,c\n1,2,7,3\n4,5,0,6\n", tabular(9), []float32{1, 2, 3, 4, 5, 6}, []int{7, 0}, []float32{7, 0}, "image = 3 columns, a to c numbers [2,3], reals 1 to 6 of [-10,10]; labels = column label"},
		"no labels":            {"a.csv", "1,2,3\n4,5,6\n", tabular(2), []float32{1, 2, 3, 4, 5, 6}, nil, nil, "image = columns 1 to 3 numbers [2,3], reals 1 to 6 of [-10,10]; no labels"},
		"no labels, a header":  {"a.csv", "x,y,z\n1,2,3\n", tabular(2), []float32{1, 2, 3}, nil, nil, "image = columns x to z numbers [1,3], reals 1 to 3 of [-10,10]; no labels"},
		"label by a flag":      {"a.csv", "a,b,c,age\n1,2,3,.5\n", with(1, "", "age"), []float32{1, 2, 3}, nil, []float32{.5}, "labels = column age"},
		"label by a number":    {"a.csv", "8,1,2,3\n", with(9, "", "1"), []float32{1, 2, 3}, []int{8}, []float32{8}, "labels = column 1"},
		"several labels":       {"a.csv", "a,b,c,u,v\n1,2,3,4,5\n", with(2, "", "u,v"), []float32{1, 2, 3}, nil, []float32{4, 5}, "labels = columns u to v"},
		"columns by a flag":    {"a.csv", "id,c,b,a,y\n99,3,2,1,1\n", with(2, "a,b,c", ""), []float32{1, 2, 3}, []int{1}, []float32{1}, "labels = column y; left out: id"},
		"one of two labels":    {"a.csv", "a,b,c,y,label\n3,2,1,1,0\n", with(2, "", "label"), []float32{3, 2, 1}, []int{0}, []float32{0}, "labels = column label; left out: y (named neither by -inputs nor as labels)"},
		"columns by a range":   {"a.csv", "99,3,2,1,1\n", with(2, "2-4", "5"), []float32{3, 2, 1}, []int{1}, []float32{1}, "labels = column 5; left out: 1"},
		"none is a label":      {"a.csv", "y,b,c\n3,2,1\n", with(2, "", "none"), []float32{3, 2, 1}, nil, nil, "no labels"},
		"the index of pandas":  {"a.csv", ",a,b,c,y\n0,3,2,1,1\n", tabular(2), []float32{3, 2, 1}, []int{1}, []float32{1}, "left out: 1"},
		"savetxt":              {"a.csv", "# a,b,c\n3,2,1\n", tabular(2), []float32{3, 2, 1}, nil, nil, "columns a to c"},
		"quotes and blanks":    {"a.csv", "\"a, 1\", b ,\"the \"\"c\"\"\",y\r\n\"1\", 2,\"3\",1\r\n", tabular(2), []float32{1, 2, 3}, []int{1}, []float32{1}, "columns a, 1 to the \"c\""},
		"a mark of UTF-8":      {"a.csv", "\xef\xbb\xbfy,a,b,c\n1,3,2,1\n", tabular(2), []float32{3, 2, 1}, []int{1}, []float32{1}, "labels = column y"},
		"semicolons":           {"a.csv", "a;b;c;y\n1.5;2;3;1\n", tabular(2), []float32{1.5, 2, 3}, []int{1}, []float32{1}, "separated by ';'"},
		"CR alone ends a line": {"a.csv", "a,b,c,y\r3,2,1,1\r", tabular(2), []float32{3, 2, 1}, []int{1}, []float32{1}, "labels = column y"},
		"tabs":                 {"a.tsv", "1\t2\t3\n", tabular(2), []float32{1, 2, 3}, nil, nil, "separated by '\\t'"},
		"names of all classes": {"a.csv", "a,b,c,species\n1,2,3,setosa\n3,2,1,iris\n1,1,1,setosa\n", with(2, "", "species"), []float32{1, 2, 3, 3, 2, 1, 1, 1, 1}, []int{1, 0, 1}, []float32{1, 0, 1}, "labels = column species, names in their order: iris 0, setosa 1"},
		"names, no header":     {"a.csv", "1,2,3,setosa\n3,2,1,iris\n", with(1, "", "4"), []float32{1, 2, 3, 3, 2, 1}, []int{1, 0}, []float32{1, 0}, "labels = column 4, names in their order: iris 0, setosa 1"},
		"one row of words":     {"a.csv", "1,2,3,a\n1,2,3,b", with(1, "", "4"), []float32{1, 2, 3, 1, 2, 3}, []int{0, 1}, []float32{0, 1}, "labels"},
	} {
		d, err := Load(folder(t, c.name, []byte(c.text)), c.want)
		require.NoError(t, err, name)
		assert.Equal(t, c.x, d.X, name)
		assert.Equal(t, c.labels, d.Labels, name)
		if c.targets == nil {
			assert.Nil(t, d.Targets, name)
		} else {
			assert.Equal(t, c.targets, d.Targets[0].X, name)
		}
		assert.Contains(t, d.Said, c.said, name)
	}
	d, err := Load(folder(t, "a.csv.gz", zipped(t, []byte("1,2,3\n4,5,6\n"))), Want{Inputs: tabular(1).Inputs, N: 1})
	require.NoError(t, err)
	assert.Equal(t, 1, d.N)
	w := network([]int{1, 2, 2}, []int{1})
	d, err = Load(folder(t, "a.csv", []byte("0,0,0,1\n")), w)
	require.NoError(t, err)
	assert.Contains(t, d.Said, "in the order [1,2,2]")
	_, err = Load(folder(t, "a.csv", []byte("0,0,.5,1\n")), Want{})
	require.NoError(t, err)
}

// TestBadCSV: what is wrong has its line and column.
func TestBadCSV(t *testing.T) {
	with := func(inputs, labels string) Want {
		w := tabular(2)
		w.Options = Options{Inputs: strings.Fields(inputs), Labels: strings.Fields(labels)}
		return w
	}
	for _, c := range []struct {
		text, want string
		w          Want
	}{
		{"a,b,c\n1,2,3\n1,,3\n", "a.csv:3:3: data: the column b has no value: \"\"", tabular(2)},
		{"a,b,c\n1,2,3\n1,NaN,3\n", "a.csv:3:3: data: the column b has no value: \"NaN\"", tabular(2)},
		{"1,2,3\n1,2,\"?\"\n", "a.csv:2:5: data: the column 3 has no value", tabular(2)},
		{"a,b,b\n1,2,3\n1,2,x\n", "a.csv:3:5: data: the column b (number 3) has \"x\"", tabular(2)},
		{"a,b,c\n1,2,3\n1,\"2,3\n1,2,3\n", "a.csv:3:3: data: the quote of this field is not closed; it was read up to line 4", tabular(2)},
		{"a,b,c\n\"1\",\"2\",\"3\"\n\"1\",\"2,\"\"\",3\n\"1,2,3\n", "a.csv:4:1: data: the quote of this field is not closed", tabular(2)},
		{"a,b,c\n1,2,3\n1,\"2\"2,3\n", "a.csv:3:5: data: extraneous or missing", tabular(2)},
		{"a,b,c\n1,2,3\n1,2,x\n", "a.csv:3:5: data: the column c has \"x\", which is no number", tabular(2)},
		{"a;b;c\n1;2;3\n1;2,5;3\n", "a.csv:3:3: data: the column b has \"2,5\", which is no number\n    help: write decimal points: 2.5", tabular(2)},
		{"1e999,0,0\n1,2,3\n", "a.csv:1:1: data: the column 1 has \"1e999\", which is no number", tabular(2)}, // and no name of a column
		{"a,b,c\n1,2,0_1\n", "a.csv:2:5: data: the column c has \"0_1\", which is no number\n    help: write the digits alone: 01", tabular(2)},
		{"0_1,2,3\n1,2,3\n", "a.csv:1:1: data: the column 1 has \"0_1\", which is no number", tabular(2)}, // and no name of a column
		{"1;2,5;3\n1;2;3\n", "a.csv:1:3: data: the column 2 has \"2,5\", which is no number", tabular(2)},
		{"1,2,3\n1,2,0x1p3\n", "a.csv:2:5: data: the column 3 has \"0x1p3\", which is no number", tabular(2)},
		{"a,b,c,y\n1,2,3,0\n1,2,3,1\n1,2,3,O\n", "a.csv:4:7: data: the column y has \"O\", which is no number\n    help: turn words into numbers", tabular(2)},
		{"a,b,c,y\n1,2,3,0\n1,2,3,1_0\n", "a.csv:3:7: data: the column y has \"1_0\", which is no number\n    help: write the digits alone: 10", tabular(2)},
		{"a,b,c,y\n1,2,3,u\n1,2,3,v\n1,2,3,1\n", "a.csv:4:7: data: the column y has a number among names", tabular(2)},
		{"a,b,c\n1,2,3\n1,2\n", "a.csv:3:1: data: the row has 2 fields, the first one has 3\n    help: the file ends here: it may have been cut off", tabular(2)},
		{"a,\"b\nb\",c\n1,2,u\n", "a.csv:3:5: data: the column c has \"u\"", tabular(2)},
		{"a,\"b\nb\",c\n1,u,3\n", "the column b\\x0ab has \"u\"", tabular(2)},
		{"a,b,c\r1,2,3\r1,2,u\r", "a.csv:3:5: data: the column c has \"u\", which is no number", tabular(2)},
		{"a,b,c\n1,2,inf\n", "a.csv:2:5: data: the column c has \"inf\", which is no number", tabular(2)},
		{"a,b,c\n\"1\n\",2,11\n", "a.csv:3:5: data: item 0 of columns a to c holds 11 at element 2, the input image is declared in [-10,10]", tabular(2)},
		{"a,b,c\n1,2\n", "a.csv:2:1: data: the row has 2 fields, the first one has 3", tabular(2)},
		{"a,b,c\n1,\"2,3\n", "a.csv:2:", tabular(2)},
		{"a,b,c\n1,2\"2,3\n", "a.csv:2:4: data: bare", tabular(2)},
		{"a,b,c\n", "the table has a header and no rows", tabular(2)},
		{"", "the table is empty", tabular(2)},
		{"\xff\xfea,b", "the table is UTF-16\n    help: save it as UTF-8", tabular(2)},
		{"a,b;c\n", "whether ',' or ';' separates fields is not clear", tabular(2)},
		{"1,2,3,4\n", "4 columns, the input image takes 3: which 1 are labels is not clear; there are no names\n    help: -labels NAME or -labels 4 says the column of labels", tabular(2)},
		{"a,b,c,d\n1,2,3,4\n", "there are a, b, c, d", tabular(2)},
		{"a,b\n1,2\n", "2 columns, the input image takes 3: [3]; there are a, b", tabular(2)},
		{"a,y\n1,2\n", "1 columns without the labels in column y, the input image takes 3", tabular(2)},
		{"a,b,c,d\n1,2,3,4\n", "-labels e: no such column; there are a, b, c, d", with("", "e")},
		{"a,b,c,d\n1,2,3,4\n", "-labels 5: no such column", with("", "5")},
		{"a,b,c,d\n1,2,3,4\n", "-inputs 3-1: no such column", with("3-1", "")},
		{"a,b,c,d\n1,2,3,4\n", "-inputs: the column b is named twice", with("1-2 b", "")},
		{"a,b,b,d\n1,2,3,4\n", "-labels b: two columns have the name", with("", "b")},
		{"a,b,c,d\n1,2,3,4\n", "the column c is both an input and a label", with("a b c", "c")},
		{"a,b,c,d\n1,2,3,4\n", "2 columns without the labels in column c, the input image takes 3", with("a b", "c")},
		{"a,b,c,y\n1,2,3,u\n1,2,3,v\n1,2,3,w\n", "a.csv:2:7: data: the labels in the column y are 3 names: u, v, w; names stand for classes where there is one for each of a result's elements, of which there are 2", tabular(2)},
		{"a,b,c,y\n1,2,3,u\n1,2,3,1\n", "a.csv:3:7: data: the column y has a number among names", tabular(2)},
		{"a,b,c,y\n1,2,3,u\n1,2,3,\n", "a.csv:3:7: data: the column y has no value", tabular(2)},
		{"a,b,c,y\n1,2,3,1\n1,2,3,\n", "a.csv:3:7: data: the column y has no value", tabular(2)},
		{"a,b,c,y,label,target\n1,2,3,1,1,1\n", "which column has the labels is not clear: it could be y, label, target\n    help: -labels y or -labels label or -labels target says it; -labels none takes none", tabular(2)},
		{"a,b,c,y,y,target\n1,2,3,1,1,1\n", "it could be y (number 4), y (number 5), target\n    help: -labels 4 or -labels 5 or -labels target says it", with("a b c", "")},
	} {
		_, err := Load(folder(t, "a.csv", []byte(c.text)), c.w)
		assert.ErrorContains(t, err, c.want, "%q", c.text)
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d, c.text)
	}
	w := tabular(2)
	w.Memory = 200
	_, err := Load(folder(t, "a.csv", []byte(strings.Repeat("1,2,3\n", 30))), w)
	assert.ErrorContains(t, err, "the table takes more than the 20 bytes that are left of -mem")
}

func FuzzCSV(f *testing.F) {
	for _, text := range []string{"a,b,y\n0,1,1\n", "0;.5\n-1;1\n", "\"a\"\"\",b\n1,2\n", "\xef\xbb\xbf0\t1\n", ",a,b,label\n0,1,1,u\n1,0,0,v\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checked(t, "a.csv", b) })
}

// TestColumnsOfSeveralResults: columns that are named like results, or that -labels gives them, are
// their labels; others are named with the reason.
func TestColumnsOfSeveralResults(t *testing.T) {
	two := tabular(2)
	two.Results = []Result{{"kind", []int{3}}, {"box", []int{2}}}
	with := func(inputs string, labels ...string) Want {
		w := two
		w.Options.Labels = labels
		if inputs != "" {
			w.Options.Inputs = strings.Split(inputs, ",")
		}
		return w
	}
	for name, c := range map[string]struct {
		text    string
		want    Want
		targets []data.Target
		said    string // or the diagnostic, where there are no targets
	}{
		"by their names": {"a,b,c,box_0,kind,box_1\n1,2,3,.5,2,.25\n", two, []data.Target{{Name: "kind", From: "column kind", Shape: []int{}, X: []float32{2}}, {Name: "box", From: "2 columns, box_0 to box_1", Shape: []int{2}, X: []float32{.5, .25}}},
			"labels = column kind of kind, 2 columns, box_0 to box_1 of box"},
		"by the flag":                      {"a,b,c,u,v,w\n1,2,3,.5,2,.25\n", with("", "kind=v", "box=4", "box=w"), []data.Target{{Name: "kind", From: "column v", Shape: []int{}, X: []float32{2}}, {Name: "box", From: "2 columns, u to w", Shape: []int{2}, X: []float32{.5, .25}}}, "labels = column v of kind"},
		"of one of them":                   {"a,b,c,kind,label\n1,2,3,2,7\n", two, []data.Target{{Name: "kind", From: "column kind", Shape: []int{}, X: []float32{2}}}, "labels = column kind of kind; left out: label (no result has this name: -labels box=label takes it)"},
		"of another case":                  {"a,b,c,Kind,BOX0,Box1\n1,2,3,2,.5,.25\n", two, []data.Target{{Name: "kind", From: "column Kind", Shape: []int{}, X: []float32{2}}, {Name: "box", From: "columns BOX0 to Box1", Shape: []int{2}, X: []float32{.5, .25}}}, "of box"},
		"of the one that it fits":          {"a,b,c,label\n1,2,3,2\n", two, nil, "left out: label (no result has this name: -labels kind=label takes it)"},
		"features of the name of a result": {"kind1,kind2,kind3,kind4,box0,box1\n1,2,3,4,5,6\n", two, nil, "4 columns without the labels in columns box0 to box1, the input image takes 3"},
		"not wanted":                       {"a,b,c,kind\n1,2,3,2\n", with("", None), nil, "no labels; left out: kind (-labels none)"},
		"not named":                        {"id,a,b,c,kind\n9,1,2,3,2\n", with("a,b,c"), []data.Target{{Name: "kind", From: "column kind", Shape: []int{}, X: []float32{2}}}, "left out: id (named neither by -inputs nor as labels)"},
		"an index":                         {",a,b,c,kind\n9,1,2,3,2\n", two, []data.Target{{Name: "kind", From: "column kind", Shape: []int{}, X: []float32{2}}}, "left out: 1 (an index without a name)"},
		"of no result":                     {"a,b,c,u\n1,2,3,2\n", with("", "u"), nil, "-labels u: the network has 2 results\n    help: -labels kind=u says of which they are"},
		"of another name":                  {"a,b,c,u\n1,2,3,2\n", with("", "bow=u"), nil, "-labels bow=u: the network has no result bow\n    help: its results are kind, box"},
	} {
		d, err := Load(folder(t, "a.csv", []byte(c.text)), c.want)
		if err != nil {
			assert.Nil(t, c.targets, "%s: %v", name, err)
			assert.ErrorContains(t, err, c.said, name)
			continue
		}
		assert.Equal(t, c.targets, d.Targets, name)
		assert.Nil(t, d.Labels, name)
		assert.Equal(t, []float32{1, 2, 3}, d.X, name)
		assert.Contains(t, d.Said, c.said, name)
	}
}

// TestLabelsAlone: a table of labels alone has nothing to give a network, also where none says how much it takes.
func TestLabelsAlone(t *testing.T) {
	for _, text := range []string{"y\n1\n", "label\n\"2\"\n"} {
		_, err := Load(folder(t, "a.csv", []byte(text)), Want{})
		assert.ErrorContains(t, err, "no column is one of an input")
	}
}
