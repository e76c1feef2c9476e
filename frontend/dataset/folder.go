package dataset

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/input"
)

// maxItem is the most bytes of a file of a folder.
const maxItem = 1 << 30

// endings are those of a folder's files.
var (
	pictureEndings = []string{".png", ".jpg", ".jpeg"}
	soundEndings   = []string{".wav"}
)

func hasEnding(name string, endings []string) bool {
	return slices.Contains(endings, strings.ToLower(filepath.Ext(name)))
}

// contents are the files of a folder, in the order in which they are read.
type contents struct {
	files   []string // paths
	classes []string // names of the folders in it, by name; nil: the files lie in the folder itself
	of      []int    // the class of each file
	labels  []int    // of each class
	masks   []string // of each file, where there are
	empty   []string // classes without files
	deeper  []string // files below the folders of classes, which are left out; relative paths
	// isNumbered reports that the names of the folders are the labels.
	isNumbered bool
}

// list finds the files of a folder: unlabelled ones in the folder itself, or those of each
// class in a folder in it, as torchvision's ImageFolder takes them, or pictures and masks of
// the same names in two folders. Classes count in the order of their names, or are the names
// where these are numbers. Files come one of each class in turn, so that the first n are of
// all classes.
func list(path string) (c contents, err error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return c, err
	}
	own, _, err := filesIn(path)
	if err != nil {
		return c, err
	}
	var byClass [][]string
	count := 0
	c.isNumbered = true
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		files, folders, err := filesIn(filepath.Join(path, e.Name()))
		if err != nil {
			return c, err
		}
		for _, folder := range folders {
			below, err := deeperIn(path, folder)
			if err != nil {
				return c, err
			}
			c.deeper = append(c.deeper, below...)
		}
		// A class without files is one all the same: those after it keep their labels.
		if len(files) == 0 {
			c.empty = append(c.empty, e.Name())
		}
		n, err := strconv.Atoi(e.Name())
		c.isNumbered = c.isNumbered && err == nil && n >= 0
		byClass, c.classes, c.labels, count = append(byClass, files), append(c.classes, e.Name()), append(c.labels, n), count+len(files)
	}
	switch {
	case count > 0 && len(own) > 0:
		return c, errors.New("pictures or recordings lie both in the folder and in folders of classes in it")
	case count == 0 && len(own) == 0 && len(c.deeper) > 0:
		return c, bad("a folder without pictures or recordings in it or in folders of classes in it; %s lies deeper", c.deeper[0]).
			WithHelp("name the folder that has the folders of classes")
	case count == 0 && len(own) == 0:
		return c, fmt.Errorf("a folder without pictures or recordings: none ends in %s", strings.Join(slices.Concat(pictureEndings, soundEndings), ", "))
	case len(own) > 0:
		return contents{files: own, deeper: c.deeper}, nil
	}
	if images, masks, ok := paired(c.classes); ok {
		return c.pair(path, byClass[images], byClass[masks])
	}
	if !c.isNumbered {
		for i := range c.labels {
			c.labels[i] = i
		}
	}
	for i, more := 0, true; more; i++ {
		more = false
		for class, files := range byClass {
			if i < len(files) {
				more = true
				c.files, c.of = append(c.files, files[i]), append(c.of, class)
			}
		}
	}
	return c, nil
}

// paired are the places of two folders of pictures and of masks.
func paired(folders []string) (images, masks int, ok bool) {
	masksOf := append([]string{"annotations", "annotation", "gt", "segmentation"}, labelWords...)
	if len(folders) != 2 {
		return 0, 0, false
	}
	for i, name := range folders {
		if hasWord(name, inputWords) && hasWord(folders[1-i], masksOf) {
			return i, 1 - i, true
		}
	}
	return 0, 0, false
}

// pair is pictures with the masks of their names.
func (c contents) pair(path string, images, masks []string) (contents, error) {
	stem := func(file string) string {
		base := filepath.Base(file)
		return strings.TrimSuffix(base, filepath.Ext(base))
	}
	byName := map[string]string{}
	for _, m := range masks {
		byName[stem(m)] = m
	}
	out := contents{deeper: c.deeper}
	for _, file := range images {
		m, ok := byName[stem(file)]
		if !ok {
			return c, fmt.Errorf("%s has no mask: no file of its name in the other folder", relative(path, file))
		}
		delete(byName, stem(file))
		out.files, out.masks = append(out.files, file), append(out.masks, m)
	}
	for _, m := range masks {
		if _, ok := byName[stem(m)]; ok {
			return c, fmt.Errorf("%s has no picture: no file of its name in the other folder", relative(path, m))
		}
	}
	if len(images) == 0 {
		return c, errors.New("a folder of pictures and masks without pictures")
	}
	return out, nil
}

// isItem reports the name of a picture or a recording.
func isItem(name string) bool {
	return hasEnding(name, pictureEndings) || hasEnding(name, soundEndings)
}

// filesIn are the paths of a folder's pictures and recordings, and of the folders in it, by name.
func filesIn(path string) (files, folders []string, err error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range entries {
		switch own := filepath.Join(path, f.Name()); {
		case f.IsDir() && !strings.HasPrefix(f.Name(), "."):
			folders = append(folders, own)
		case !f.IsDir() && isItem(f.Name()):
			files = append(files, own)
		}
	}
	return files, folders, nil
}

// deeperIn are the pictures and recordings in a folder, at any depth, as seen from the data set.
func deeperIn(from, folder string) (out []string, err error) {
	err = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		case !e.IsDir() && isItem(e.Name()):
			out = append(out, relative(from, path))
		}
		return nil
	})
	return out, err
}

// Paths are what a file of a data set is read from: the file itself and its labels, or a
// folder, those in it, and their pictures and recordings.
func Paths(path string) []string {
	paths := []string{path}
	if info, err := os.Stat(path); err != nil || !info.IsDir() { // a FIFO is no folder, either
		labels := Labels(path)
		if labels == "" {
			labels, _ = labelsBeside(path)
		}
		if labels != "" {
			if _, err := os.Stat(labels); err == nil {
				paths = append(paths, labels)
			}
		}
		return paths
	}
	entries, _ := os.ReadDir(path)
	for _, f := range entries {
		if f.IsDir() {
			paths = append(paths, filepath.Join(path, f.Name()))
		}
	}
	for _, folder := range paths {
		own, _, _ := filesIn(folder)
		paths = append(paths, own...)
	}
	return paths
}

// relative is a path as seen from the data set.
func relative(from, path string) string {
	if name, err := filepath.Rel(from, path); err == nil {
		return filepath.ToSlash(name)
	}
	return path
}

// folder reads a folder of pictures or of recordings.
func (s *reader) folder() (data.Batch, error) {
	if err := s.isSingle(); err != nil {
		return data.Batch{}, err
	}
	c, err := list(s.path)
	if err != nil {
		return data.Batch{}, err
	}
	isSound := hasEnding(c.files[0], soundEndings)
	for _, file := range c.files {
		if hasEnding(file, soundEndings) != isSound {
			return data.Batch{}, fmt.Errorf("pictures and recordings in one folder: %s and %s", relative(s.path, c.files[0]), relative(s.path, file))
		}
	}
	read := s.pictures
	if isSound {
		read = s.sounds
	}
	all := sha256.New() // of every file, also of those that are not taken
	b, err := read(c, all)
	if err != nil {
		return data.Batch{}, err
	}
	s.files = append(s.files, File{filepath.Base(s.path), hex.EncodeToString(all.Sum(nil))})
	defer s.nameless()
	defer func() {
		if n := len(c.deeper); n > 0 {
			files := "files"
			if n == 1 {
				files = "file"
			}
			s.said = append(s.said, fmt.Sprintf("left out: %s (%d %s in folders below those of the classes)", few(c.deeper), n, files))
		}
	}()
	if c.masks != nil {
		return b, nil
	}
	if c.classes == nil {
		s.said = append(s.said, "no labels")
		return b, nil
	}
	if s.withoutLabels("folders") {
		return b, nil
	}
	b.Labels = make([]int, b.N)
	for i, from := range s.at {
		b.Labels[i] = c.labels[c.of[from]]
	}
	if !c.isNumbered {
		b.Folders = c.classes
	}
	names := make([]string, len(c.classes))
	for i, name := range c.classes {
		if names[i] = fmt.Sprintf("%s %d", name, c.labels[i]); name == strconv.Itoa(c.labels[i]) {
			names[i] = name
		}
	}
	said := "labels = folders: " + few(names)
	if len(c.empty) > 0 {
		said += "; without files: " + few(c.empty)
	}
	s.said = append(s.said, said)
	return b, nil
}

// next reads file i of a folder and its mask, and adds them to the hash of all.
func (s *reader) next(c contents, i int, all hash.Hash) (file, mask []byte, name string, err error) {
	read := func(path string) ([]byte, error) {
		raw, err := input.Read(path, min(maxItem, int64(s.left)))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(all, "%s %d\n", relative(s.path, path), len(raw))
		all.Write(raw)
		return raw, nil
	}
	if file, err = read(c.files[i]); err != nil {
		return nil, nil, "", err
	}
	if c.masks != nil {
		mask, err = read(c.masks[i])
	}
	return file, mask, relative(s.path, c.files[i]), err
}

// picture decodes a picture that takes no more memory than is left: its pixels, by plane,
// and what it is scaled to.
func (s *reader) picture(name string, raw []byte) (image.Image, error) {
	const each = 16
	if c, _, err := image.DecodeConfig(bytes.NewReader(raw)); err == nil && c.Width > 0 && c.Height <= maxPixels/c.Width && c.Width*c.Height > s.left/each {
		return nil, diag.New(diag.Pos{}, diag.Limit, "%s has %dx%d pixels, which take %d bytes in memory, and %d are left of -mem", name, c.Width, c.Height, each*c.Width*c.Height, s.left).
			WithHelp("-mem raises the bound")
	}
	img, err := Picture(raw)
	if err != nil {
		return nil, bad("%s: %v", name, err).WithHelp("save the picture again, as PNG, or leave it out")
	}
	return img, nil
}

// taken is how many of n files are taken, and which.
func (s *reader) taken(n int) (count int, is []bool) {
	is = make([]bool, n)
	for _, i := range s.draw(n) {
		is[i] = true
	}
	return len(s.at), is
}

// form is how pictures are wanted.
type form struct {
	planes, w, h int // 0: as they come
}

// formOf is the form of an input that takes pictures.
func formOf(in Input) (f form, err error) {
	isPlanes := func(n int) bool { return n == 1 || n == 3 }
	switch s := in.Shape; {
	case len(s) == 3 && isPlanes(s[0]):
		return form{planes: s[0], h: s[1], w: s[2]}, nil
	case len(s) == 3 && isPlanes(s[2]):
		return form{planes: s[2], h: s[0], w: s[1]}, nil
	case len(s) == 2:
		return form{planes: 1, h: s[0], w: s[1]}, nil
	case len(s) == 1:
		return form{}, nil // flat
	}
	return f, bad("pictures have one plane or three, the network takes [%s] as %s", dims(in.Shape), in.Name).WithHelp("save the data as npz")
}

// pictures reads pictures, gray where all of them are.
func (s *reader) pictures(c contents, all hash.Hash) (data.Batch, error) {
	var f form
	var err error
	if s.Want.Inputs != nil {
		if f, err = formOf(s.Want.Inputs[0]); err != nil {
			return data.Batch{}, err
		}
	}
	n, isTaken := s.taken(len(c.files))
	items := make([][][]byte, len(c.files)) // planes of each
	var first image.Point
	masks := make([][]int, len(c.files))
	isGray, met := true, seen{}
	for i := range c.files {
		raw, maskRaw, name, err := s.next(c, i, all)
		if err != nil {
			return data.Batch{}, err
		}
		if !isTaken[i] {
			continue
		}
		img, err := s.picture(name, raw)
		if err != nil {
			return data.Batch{}, err
		}
		size := img.Bounds().Size()
		if first == (image.Point{}) {
			first = size
		}
		w, h := cmp.Or(f.w, first.X), cmp.Or(f.h, first.Y)
		if err := s.fits(n, w*h*max(f.planes, 1), 5); err != nil {
			return data.Batch{}, err
		}
		planes := planesOf(img)
		if size != (image.Point{w, h}) {
			if !s.Resize || f.w == 0 {
				return data.Batch{}, s.otherSize(name, size, w, h, f)
			}
			planes = resized(planes, size.X, size.Y, w, h)
			if !slices.Contains(met.scaled, size) {
				met.scaled = append(met.scaled, size)
			}
		}
		if f.planes == 1 && len(planes) == 3 {
			return data.Batch{}, bad("%s is in colour, the network takes one plane as %s", name, s.Want.Inputs[0].Name).WithHelp("convert the pictures to gray as for training")
		}
		isGray, met.isGray = isGray && len(planes) == 1, met.isGray || len(planes) == 1
		met.isAlpha, met.isDeep = met.isAlpha || !isOpaque(img), met.isDeep || isDeep(img)
		items[i] = planes
		if maskRaw != nil {
			if masks[i], err = s.mask(maskRaw, relative(s.path, c.masks[i]), image.Point{w, h}, size); err != nil {
				return data.Batch{}, err
			}
		}
	}
	planes := f.planes
	if planes == 0 {
		if planes = 3; isGray {
			planes = 1
		}
	}
	w, h := cmp.Or(f.w, first.X), cmp.Or(f.h, first.Y)
	a := &array{name: "pictures", kind: "uint8", n: len(c.files), shape: []int{planes, h, w}, meaning: levels, note: met.note(planes, w, h),
		value: func(i, j int) float32 {
			p := items[i]
			return float32(p[min(j/(w*h), len(p)-1)][j%(w*h)])
		},
		lies: func(i int) string {
			if c.masks != nil {
				return fmt.Sprintf("%s, %s", relative(s.path, c.files[i]), relative(s.path, c.masks[i]))
			}
			return relative(s.path, c.files[i])
		}}
	b, err := s.inputs([]*array{a})
	if err != nil || c.masks == nil {
		return b, err
	}
	if s.withoutLabels("masks") {
		return b, nil
	}
	mw, mh := s.maskSize(image.Point{w, h})
	t := data.Target{Shape: []int{mh, mw}}
	var values []int
	for _, from := range s.at {
		for _, v := range masks[from] {
			t.X = append(t.X, float32(v))
		}
		values = append(values, masks[from]...)
	}
	b.Targets = []data.Target{t}
	slices.Sort(values)
	var classes []string
	for _, v := range slices.Compact(values) {
		classes = append(classes, strconv.Itoa(v))
	}
	s.said = append(s.said, fmt.Sprintf("labels = masks [%d,%d] of the classes %s", mh, mw, few(classes)))
	return b, nil
}

// seen is what was met in pictures that they lose as items.
type seen struct {
	scaled                  []image.Point // sizes
	isGray, isAlpha, isDeep bool
}

// note says it: pictures are to become items of some planes, width and height.
func (m *seen) note(planes, w, h int) string {
	var list []string
	switch len(m.scaled) {
	case 0:
	case 1:
		list = append(list, fmt.Sprintf("scaled from %dx%d to %dx%d by area (-resize)", m.scaled[0].X, m.scaled[0].Y, w, h))
	default:
		list = append(list, fmt.Sprintf("scaled from %d sizes to %dx%d by area (-resize)", len(m.scaled), w, h))
	}
	if planes == 3 && m.isGray {
		list = append(list, "gray ones as three equal planes")
	}
	if m.isAlpha {
		list = append(list, "alpha is left out")
	}
	if m.isDeep {
		list = append(list, "of 16 bits the upper 8")
	}
	return strings.Join(list, ", ")
}

// otherSize refuses a picture of another size.
func (s *reader) otherSize(name string, size image.Point, w, h int, f form) *diag.Diagnostic {
	if f.w == 0 {
		return bad("%s has %dx%d pixels, the first one %dx%d", name, size.X, size.Y, w, h).WithHelp("scale them to one size")
	}
	return bad("%s has %dx%d pixels, the network takes %dx%d as %s", name, size.X, size.Y, w, h, s.Want.Inputs[0].Name).
		WithHelp("scale the pictures as they were for training; -resize scales them by area, without regard to their proportions")
}

// maskSize is the width and height of masks: those of the last dimensions of the result,
// or of the pictures.
func (s *reader) maskSize(picture image.Point) (w, h int) {
	if len(s.Results) == 1 {
		shape := s.Results[0].Shape
		if len(shape) > 3 {
			shape = squeezed(shape)
		}
		like := func(h, w int) bool { return h*picture.X == w*picture.Y }
		switch n := len(shape); {
		case n == 3 && like(shape[0], shape[1]) && !like(shape[1], shape[2]):
			return shape[1], shape[0] // classes come last
		case n >= 2:
			return shape[n-1], shape[n-2]
		}
	}
	return picture.X, picture.Y
}

// mask reads a mask at the size of the result.
func (s *reader) mask(raw []byte, name string, picture, was image.Point) ([]int, error) {
	img, err := s.picture(name, raw)
	if err != nil {
		return nil, err
	}
	classes, w, h, err := mask(img, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	toW, toH := s.maskSize(picture)
	switch {
	case w == toW && h == toH:
		return classes, nil
	case s.Resize && w == was.X && h == was.Y:
		return nearest(classes, w, h, toW, toH), nil
	}
	return nil, bad("%s has %dx%d pixels, the network's result %dx%d", name, w, h, toW, toH).
		WithHelp("a mask has the size of the result; -resize takes the class at the middle of each pixel of a mask that has the size of its picture")
}

// planesOf are a picture's bytes, by plane.
func planesOf(img image.Image) [][]byte {
	n := Planes(img)
	all := Pixels(img, n)
	out := make([][]byte, n)
	for i := range out {
		out[i] = all[i*len(all)/n : (i+1)*len(all)/n]
	}
	return out
}
