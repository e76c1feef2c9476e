package dataset

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/ir/decimal"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/data"
)

// isTable reports a file of comma-separated values, by its name.
func isTable(path string) bool {
	name := strings.TrimSuffix(strings.ToLower(filepath.Base(path)), ".gz")
	return slices.Contains([]string{".csv", ".tsv"}, filepath.Ext(name))
}

// absent are what stands in a table for a value that is missing.
var absent = []string{"", "na", "n/a", "nan", "null", "none", "nil", "?", "-"}

func isAbsent(field string) bool {
	return slices.Contains(absent, strings.ToLower(strings.TrimSpace(field)))
}

// number is a field as a number: infinite of one beyond float32, which is no word.
func number(field string) (float32, bool) {
	v, err := decimal.Float(strings.TrimSpace(field), 32)
	return float32(v), err == nil || errors.Is(err, strconv.ErrRange)
}

// isWord reports a field that is neither a number nor missing.
func isWord(field string) bool {
	_, ok := number(field)
	return !ok && !isAbsent(field)
}

// meant is the number that a word is without what parts its digits, or with a point in place
// of a comma; "" of any other word.
func meant(word string) string {
	if !isWord(word) {
		return ""
	}
	for _, parts := range []*strings.Replacer{strings.NewReplacer(",", "."), strings.NewReplacer("_", "", "'", "", " ", "")} {
		if as := parts.Replace(strings.TrimSpace(word)); !isWord(as) {
			return as
		}
	}
	return ""
}

// delimiters separate fields.
var delimiters = []rune{',', ';', '\t'}

// csv reads one row an item: columns of inputs, and of labels by a usual name or as the
// user says.
func (s *reader) csv() (data.Batch, error) {
	raw, err := s.read(s.path)
	if err != nil {
		return data.Batch{}, err
	}
	if err := s.isSingle(); err != nil {
		return data.Batch{}, err
	}
	if !bytes.ContainsRune(raw, '\n') { // carriage returns alone end lines, as on old machines
		for i, b := range raw {
			if b == '\r' {
				raw[i] = '\n'
			}
		}
	}
	delimiter, err := delimiterOf(raw)
	if err != nil {
		return data.Batch{}, err
	}
	t := &columns{reader: s, raw: raw, delimiter: delimiter, words: map[int]string{}, of: map[int]string{}}
	if err := t.cells(); err != nil {
		return data.Batch{}, err
	}
	inputs, labels, err := t.divide()
	if err != nil {
		return data.Batch{}, err
	}
	if len(inputs) == 0 { // where no network says how many it takes
		return data.Batch{}, bad("no column is one of an input: there are labels in %s", t.said(labels)).WithHelp("-inputs says the columns of the input, -labels those of the labels")
	}
	if err := t.numbers(s.draw(t.rows), inputs); err != nil {
		return data.Batch{}, err
	}
	a := t.array(t.said(inputs), inputs)
	if delimiter != ',' {
		a.note = fmt.Sprintf("separated by %q", delimiter)
	}
	if in := s.Want.Inputs; in != nil {
		a.shape = in[0].Shape
		if len(a.shape) > 1 && len(squeezed(a.shape)) > 1 {
			a.note = strings.TrimPrefix(a.note+fmt.Sprintf(", in the order [%s]", dims(a.shape)), ", ")
		}
	}
	b, err := s.inputs([]*array{a})
	if err != nil {
		return b, err
	}
	return b, t.targets(&b, labels)
}

// delimiterOf is the delimiter of most fields in the first line.
func delimiterOf(raw []byte) (rune, error) {
	line, quoted := map[rune]int{}, false
	for _, r := range string(raw[:min(len(raw), 1<<20)]) {
		if r == '"' {
			quoted = !quoted
		}
		if r == '\n' && !quoted {
			break
		}
		if !quoted {
			line[r]++
		}
	}
	best := delimiters[0]
	for _, d := range delimiters {
		if line[d] > line[best] {
			best = d
		}
	}
	for _, d := range delimiters {
		if d != best && line[d] > 0 && line[d] == line[best] {
			return 0, diag.New(diag.Pos{Line: 1, Col: 1}, diag.BadData, "whether %q or %q separates fields is not clear: the first line has %d of each", best, d, line[d]).
				WithHelp("separate fields by commas, and write decimal points")
		}
	}
	return best, nil
}

// cells reads the fields of a file, and its header, if it has one: a first row of words
// alone, or with a word above a number.
func (t *columns) cells() error {
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(t.raw, []byte(mark)) {
			return diag.New(diag.Pos{}, diag.BadData, "the table is UTF-16").WithHelp("save it as UTF-8")
		}
	}
	r, room := t.records(), t.left
	var first []string
	firstLine := 0
	for {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			if at, ok := t.openQuote(bad.StartLine); ok {
				return diag.New(at, diag.BadData, "the quote of this field is not closed; it was read up to line %d", bad.Line).
					WithHelp("take the quote away, or write another one at the end of the field")
			}
			return diag.New(diag.Pos{File: filepath.Base(t.path), Line: bad.Line, Col: bad.Column}, diag.BadData, "%v", bad.Err).
				WithHelp(`a field with a quote in it stands in quotes, and each quote in it is written twice: "a ""b"" c"`)
		}
		if err != nil {
			return err
		}
		line, col := r.FieldPos(0)
		if first == nil {
			first, t.width, firstLine = slices.Clone(row), len(row), line
			continue
		}
		if len(row) != t.width {
			d := diag.New(diag.Pos{File: filepath.Base(t.path), Line: line, Col: col}, diag.BadData, "the row has %d fields, the first one has %d", len(row), t.width).
				WithHelp("each row has a field for each column, separated by %q; numbers have decimal points", t.delimiter)
			if _, err := r.Read(); err == io.EOF && len(row) < t.width {
				d.WithHelp("the file ends here: it may have been cut off; each row has a field for each column, separated by %q", t.delimiter)
			}
			return d
		}
		if t.rows == 0 {
			if isHeader(first, row) {
				t.names = header(first)
			} else {
				room = t.add(first, firstLine, room)
			}
		}
		if room = t.add(row, line, room); room < 0 {
			return diag.New(diag.Pos{}, diag.Limit, "the table takes more than the %d bytes that are left of -mem", t.left).WithHelp("-mem raises the bound; npz takes less")
		}
	}
	switch {
	case first == nil:
		return bad("the table is empty")
	case t.rows == 0 && slices.ContainsFunc(first, isWord) && isHeader(first, nil):
		return bad("the table has a header and no rows")
	case t.rows == 0:
		room = t.add(first, firstLine, room)
	}
	t.left = room
	return nil
}

// records reads the rows of the file.
func (t *columns) records() *csv.Reader {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(t.raw, []byte("\xef\xbb\xbf"))))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = t.delimiter, -1, true
	return r
}

// openQuote is the place of a quote at the begin of a field, from a line on, that no other one closes.
func (t *columns) openQuote(line int) (at diag.Pos, ok bool) {
	raw := t.raw
	for range line - 1 {
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	text, col, begins, quoted := string(raw), 0, true, false
	for i := 0; i < len(text); i++ {
		r := text[i]
		col++
		switch {
		case quoted && r == '"' && strings.HasPrefix(text[i+1:], `"`): // one in the field
			i, col = i+1, col+1
		case r == '"' && begins:
			at, quoted = diag.Pos{File: filepath.Base(t.path), Line: line, Col: col}, true
		case r == '"':
			quoted = false
		}
		begins = !quoted && (rune(r) == t.delimiter || r == '\n')
		if r == '\n' {
			line, col = line+1, 0
		}
	}
	return at, quoted
}

// add keeps a row that begins in a line; it returns what is left of a number of bytes.
func (t *columns) add(row []string, line, room int) int {
	for c, field := range row {
		v, ok := number(field)
		if !ok || v-v != 0 {
			v = float32(math.NaN())
			field = strings.TrimSpace(field)
			t.words[t.rows*t.width+c] = strings.Clone(field)
			room -= 64 + len(field)
		}
		t.values = append(t.values, v)
	}
	t.rows, t.lines = t.rows+1, append(t.lines, line)
	return room - 8*len(row) - 16 // slices that grow are there twice
}

// isHeader reports a first row of words alone, or with a word above a number.
func isHeader(first, second []string) bool {
	all := true
	for i, field := range first {
		if _, ok := number(field); ok && !isAbsent(field) {
			all = false
		} else if meant(field) != "" {
			all = false
		} else if second != nil && isWord(field) {
			if _, ok := number(second[i]); ok {
				return true
			}
		}
	}
	return all
}

// header is the names of columns; numpy's savetxt writes a # before them.
func header(row []string) []string {
	for i, name := range row {
		if i == 0 {
			name = strings.TrimPrefix(strings.TrimSpace(name), "#")
		}
		row[i] = strings.TrimSpace(name)
	}
	return row
}

// place is where a field stands.
func (t *columns) place(row, c int) diag.Pos {
	if t.names != nil {
		row++
	}
	r := t.records()
	for range row + 1 {
		if _, err := r.Read(); err != nil {
			return diag.Pos{}
		}
	}
	line, col := r.FieldPos(c)
	return diag.Pos{File: filepath.Base(t.path), Line: line, Col: col}
}

// columns are a table, divided into inputs and labels.
type columns struct {
	*reader
	raw       []byte
	delimiter rune
	names     []string // of the columns; nil without a header
	width     int
	rows      int
	lines     []int          // in which each begins
	values    []float32      // row after row; NaN of what is no number
	words     map[int]string // the fields that are no numbers, by their places in values
	unused    unused
	of        map[int]string // the result that a column of labels is of, where there are several
}

// findLabels is the columns that a value of -labels says, of one result or, named before them, of
// one of several.
func (t *columns) findLabels(said string) ([]int, error) {
	result, names, isNamed := strings.Cut(said, "=")
	switch {
	case !isNamed && len(t.Results) > 1:
		return nil, bad("-labels %s: the network has %d results", said, len(t.Results)).
			WithHelp("%s says of which they are", quote.Flag("labels", t.Results[0].Name+"="+said))
	case !isNamed || slices.Contains(t.names, said):
		return t.find("-labels", []string{said})
	case !slices.Contains(t.resultNames(), result):
		return nil, bad("-labels %s: the network has no result %s", said, result).WithHelp("its results are %s", strings.Join(t.resultNames(), ", "))
	}
	list, err := t.find("-labels", []string{names})
	for _, c := range list {
		t.of[c] = result
	}
	return list, err
}

// ofResults finds the columns that are named after one of several results, alone or with a number,
// where there are as many as its labels have.
func (t *columns) ofResults() {
	if len(t.Results) < 2 {
		return
	}
	for _, r := range t.Results {
		var own []int
		for c, name := range t.names {
			if rest, ok := cutFold(name, r.Name); ok && t.of[c] == "" && strings.Trim(strings.TrimLeft(rest, "_.- "), "0123456789") == "" {
				own = append(own, c)
			}
		}
		if isLabelOf(&array{shape: []int{len(own)}}, r) {
			for _, c := range own {
				t.of[c] = r.Name
			}
		}
	}
}

// cutFold is strings.CutPrefix in any case.
func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// called is a column as messages call it.
func (t *columns) called(c int) string {
	if t.names != nil && t.names[c] != "" {
		if i := slices.Index(t.names, t.names[c]); i < c || slices.Contains(t.names[c+1:], t.names[c]) {
			return fmt.Sprintf("%s (number %d)", t.names[c], c+1)
		}
		return t.names[c]
	}
	return strconv.Itoa(c + 1)
}

// said lists columns in few words.
func (t *columns) said(list []int) string {
	isRun := true
	for i := range list {
		isRun = isRun && list[i] == list[0]+i
	}
	switch {
	case len(list) == 1:
		return "column " + t.called(list[0])
	case isRun:
		return fmt.Sprintf("columns %s to %s", t.called(list[0]), t.called(list[len(list)-1]))
	}
	return fmt.Sprintf("%d columns, %s to %s", len(list), t.called(list[0]), t.called(list[len(list)-1]))
}

// find is the columns that names, numbers from 1 on, or ranges of numbers say.
func (t *columns) find(flag string, names []string) (list []int, err error) {
	for _, name := range names {
		if i := slices.Index(t.names, name); i >= 0 {
			if slices.Contains(t.names[i+1:], name) {
				return nil, bad("%s %s: two columns have the name", flag, name).WithHelp("give the number of the column: %d", i+1)
			}
			list = append(list, i)
			continue
		}
		first, last, isRange := strings.Cut(name, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || from < 1 || to < from || to > t.width {
			return nil, bad("%s %s: no such column; there are %s", flag, name, t.all()).WithHelp("give the name of a column, its number from 1 to %d, or a range as 1-%d; %s", t.width, t.width, sameNames)
		}
		for c := from; c <= to; c++ {
			list = append(list, c-1)
		}
	}
	seen := make([]bool, t.width)
	for _, c := range list {
		if seen[c] {
			return nil, bad("%s: the column %s is named twice", flag, t.called(c))
		}
		seen[c] = true
	}
	return list, nil
}

// all lists the columns.
func (t *columns) all() string {
	if t.names == nil {
		return "no names"
	}
	if t.width > 20 {
		return fmt.Sprintf("%d columns, %s ... %s", t.width, strings.Join(t.names[:5], ", "), t.names[t.width-1])
	}
	var names []string
	for c := range t.names {
		names = append(names, t.called(c))
	}
	return strings.Join(names, ", ")
}

// divide says which columns are inputs and which are labels.
func (t *columns) divide() (inputs, labels []int, err error) {
	size := 0 // of the input; 0: what there is
	if t.Want.Inputs != nil {
		size = product(t.Want.Inputs[0].Shape)
	}
	for _, l := range t.Labels {
		if t.unlabelled() {
			break
		}
		c, err := t.findLabels(l)
		if err != nil {
			return nil, nil, err
		}
		labels = append(labels, c...)
	}
	usual := []int{} // columns of labels by their names
	if len(t.Labels) == 0 || t.unlabelled() {
		t.ofResults()
		for c, name := range t.names {
			if t.of[c] != "" || hasWord(name, labelWords) {
				usual = append(usual, c)
			}
		}
	}
	if len(t.Options.Inputs) > 0 {
		if inputs, err = t.find("-inputs", t.Options.Inputs); err != nil {
			return nil, nil, err
		}
		free := t.rest(inputs)
		for _, c := range labels {
			if _, is := slices.BinarySearch(free, c); !is {
				return nil, nil, bad("the column %s is both an input and a label", t.called(c)).WithHelp("change -inputs or -labels")
			}
		}
		if len(labels) == 0 {
			labels = slices.DeleteFunc(usual, func(c int) bool { _, is := slices.BinarySearch(free, c); return !is })
			if err := t.areClear(labels); err != nil {
				return nil, nil, err
			}
		}
	} else {
		if inputs = t.rest(labels); len(inputs) != size && len(labels) == 0 {
			labels = usual
			inputs = t.rest(labels)
			if err := t.areClear(labels); err != nil && len(inputs) == size {
				return nil, nil, err
			}
		}
		if len(inputs) != size && len(t.Labels) > 0 { // other columns of labels by their names are no inputs
			others := slices.DeleteFunc(slices.Clone(inputs), func(c int) bool { return t.names != nil && hasWord(t.names[c], labelWords) })
			if len(others) == size {
				inputs = others
			}
		}
		// pandas writes the index of a row into a first column without a name.
		if len(inputs) == size+1 && inputs[0] == 0 && t.names != nil && t.names[0] == "" {
			inputs = inputs[1:]
		}
	}
	switch n := len(inputs); {
	case size == 0 || n == size:
		if used := slices.Concat(inputs, labels); len(used) < t.width {
			for _, c := range t.rest(used) {
				reason := "named neither by -inputs nor as labels"
				if c == 0 && t.names != nil && t.names[0] == "" {
					reason = "an index without a name"
				}
				t.unused.add(t.called(c), reason)
			}
		}
		return inputs, labels, nil
	case n > size && len(labels) == 0 && len(t.Options.Inputs) == 0:
		d := bad("%d columns, the input %s takes %d: which %d are labels is not clear; there are %s", n, t.Want.Inputs[0].Name, size, n-size, t.all())
		if n-size == 1 {
			return nil, nil, d.WithHelp("-labels NAME or -labels %d says the column of labels; -inputs 1-%d takes some columns alone", n, size)
		}
		labels := "NAME,NAME"
		if len(t.Results) > 1 {
			labels = t.Results[0].Name + "=NAME," + t.Results[1].Name + "=NAME"
		}
		return nil, nil, d.WithHelp("%s says the columns of labels; -inputs NAME,NAME or -inputs 1-%d the columns of the input", quote.Flag("labels", labels), size)
	default:
		said := ""
		if len(labels) > 0 {
			said = fmt.Sprintf(" without the labels in %s", t.said(labels))
		}
		return nil, nil, bad("%d columns%s, the input %s takes %d: [%s]; there are %s", n, said, t.Want.Inputs[0].Name, size, dims(t.Want.Inputs[0].Shape), t.all()).
			WithHelp("-inputs says the columns of the input, -labels those of the labels")
	}
}

// areClear refuses several columns of labels by their names that are not as many as the labels of the
// one result have.
func (t *columns) areClear(labels []int) error {
	if len(labels) < 2 || len(t.Results) != 1 || t.unlabelled() || isLabelOf(&array{shape: []int{len(labels)}}, t.Results[0]) {
		return nil
	}
	var names, ways []string
	for _, c := range labels {
		say := t.called(c)
		if slices.Index(t.names, say) != c || slices.Contains(t.names[c+1:], say) { // one name of two columns
			say = strconv.Itoa(c + 1)
		}
		names, ways = append(names, t.called(c)), append(ways, quote.Flag("labels", say))
	}
	return bad("which column has the labels is not clear: it could be %s", few(names)).
		WithHelp("%s says it; %s takes none", strings.Join(ways[:min(len(ways), mostWays)], " or "), quote.Flag("labels", None))
}

// numbers refuses fields of columns in some rows that are no numbers.
func (t *columns) numbers(rows, list []int) error {
	for _, row := range rows {
		for _, c := range list {
			if v := t.values[row*t.width+c]; v != v {
				return t.noNumber(row, c)
			}
		}
	}
	return nil
}

// rest are the columns that are not in a list, in their order.
func (t *columns) rest(without []int) (list []int) {
	is := make([]bool, t.width)
	for _, c := range without {
		is[c] = true
	}
	for c, out := range is {
		if !out {
			list = append(list, c)
		}
	}
	return list
}

// noNumber says what a field is that is no number.
func (t *columns) noNumber(row, c int) error {
	field := t.words[row*t.width+c]
	if isAbsent(field) {
		return diag.New(t.place(row, c), diag.BadData, "the column %s has no value: %q", t.called(c), field).WithHelp("fill the value, or leave the row out")
	}
	d := diag.New(t.place(row, c), diag.BadData, "the column %s has %.40q, which is no number", t.called(c), field)
	if as := meant(field); as != "" && strings.Contains(field, ",") {
		return d.WithHelp("write decimal points: %s", as)
	} else if as != "" {
		return d.WithHelp("write the digits alone: %s", as)
	}
	return d.WithHelp("turn words into numbers as for training; -inputs and -labels say which columns are used")
}

// array is columns as items.
func (t *columns) array(name string, list []int) *array {
	return &array{
		name: name, kind: "numbers", n: t.rows, shape: []int{len(list)},
		value: func(i, j int) float32 { return t.values[i*t.width+list[j]] },
		place: func(i, j int) diag.Pos { return t.place(i, list[j]) },
		lies:  func(i int) string { return fmt.Sprintf("line %d", t.lines[i]) },
	}
}

// targets takes the labels: numbers, or the names of as many classes as there are.
func (t *columns) targets(b *data.Batch, list []int) error {
	var said []string
	take := func(result string, list []int) error {
		target, what, err := t.target(list)
		if err != nil {
			return err
		}
		if target.Name = result; result != "" {
			what += " of " + result
		}
		b.Targets, said = append(b.Targets, target), append(said, what)
		return nil
	}
	switch {
	case len(list) == 0:
	case t.unlabelled():
		for _, c := range list {
			t.unused.add(t.called(c), "-labels "+None)
		}
	case len(t.Results) > 1:
		taken := slices.Collect(maps.Values(t.of))
		for _, c := range list {
			if t.of[c] == "" {
				t.unused.add(t.called(c), t.whyNoResult(t.array(t.called(c), []int{c}), taken))
			}
		}
		for _, r := range t.Results {
			own := slices.DeleteFunc(slices.Clone(list), func(c int) bool { return t.of[c] != r.Name })
			if len(own) == 0 {
				continue
			}
			if err := take(r.Name, own); err != nil {
				return err
			}
		}
	default:
		if err := take("", list); err != nil {
			return err
		}
		b.Labels = wholes(b.Targets[0].X, b.N)
	}
	text := "no labels"
	if len(said) > 0 {
		text = "labels = " + strings.Join(said, ", ")
	}
	t.reader.said = append(t.reader.said, text)
	t.leave(t.unused)
	return nil
}

// target is the labels in some columns, and what is said of them.
func (t *columns) target(list []int) (target data.Target, said string, err error) {
	target, said = data.Target{From: t.said(list), Shape: []int{}}, t.said(list)
	if len(list) > 1 {
		target.Shape = []int{len(list)}
	}
	if len(list) == 1 && t.isNamed(list[0]) {
		var names []string
		if target.X, names, err = t.named(list[0], t.at); err != nil {
			return target, "", err
		}
		for i, name := range names {
			names[i] = fmt.Sprintf("%s %d", name, i)
		}
		return target, said + ", names in their order: " + few(names), nil
	}
	if err := t.numbers(t.at, list); err != nil {
		return target, "", err
	}
	for _, row := range t.at {
		for _, c := range list {
			target.X = append(target.X, t.values[row*t.width+c])
		}
	}
	return target, said, nil
}

// few lists names, the first ones of many.
func few(names []string) string {
	if len(names) > 12 {
		return fmt.Sprintf("%s ... %s", strings.Join(names[:10], ", "), names[len(names)-1])
	}
	return strings.Join(names, ", ")
}

// isNamed reports a column that has words.
func (t *columns) isNamed(c int) bool {
	for at, word := range t.words {
		if at%t.width == c && isWord(word) {
			return true
		}
	}
	return false
}

// named are the classes of a column of names, which count in their order: all of them must
// be there, else a name would stand for another class in another file. Of a column of numbers
// and words, the few are the fault.
func (t *columns) named(c int, rows []int) (x []float32, names []string, err error) {
	var all []string
	word, number := -1, -1 // the first rows of each
	for row := range t.rows {
		switch field, ok := t.words[row*t.width+c]; {
		case ok && isAbsent(field):
			return nil, nil, t.noNumber(row, c)
		case ok:
			if all = append(all, field); word < 0 {
				word = row
			}
		case number < 0:
			number = row
		}
	}
	switch {
	case number < 0:
	case 2*len(all) < t.rows || meant(all[0]) != "":
		return nil, nil, t.noNumber(word, c)
	default:
		return nil, nil, diag.New(t.place(number, c), diag.BadData, "the column %s has a number among names", t.called(c)).WithHelp("write the numbers of the classes, from 0 on")
	}
	names = slices.Clone(all)
	slices.Sort(names)
	names = slices.Compact(names)
	classes := 0
	if len(t.Results) == 1 {
		classes = max(product(t.Results[0].Shape), 2)
	}
	if len(names) != classes {
		return nil, nil, diag.New(t.place(0, c), diag.BadData, "the labels in the column %s are %d names: %s; names stand for classes where there is one for each of a result's elements, of which there are %d", t.called(c), len(names), few(names), classes).
			WithHelp("write numbers: classes from 0 on, as the network was trained with; 0 of items that are normal and 1 of others")
	}
	for _, row := range rows {
		x = append(x, float32(slices.Index(names, all[row])))
	}
	return x, names, nil
}
