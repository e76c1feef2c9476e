// Command sample cuts the Fashion-MNIST sample of testdata/lenet5 out of the
// full data set, as Debian's package dataset-fashion-mnist installs it: the
// first training images for calibration, the first test images for reports.
package main

import (
	"compress/gzip"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	from := flag.String("from", "/usr/share/datasets/fashion-mnist", "folder of the full data set")
	to := flag.String("o", "testdata/lenet5", "folder of the sample")
	calib := flag.Int("calib", 1024, "training images")
	test := flag.Int("test", 2000, "test images")
	picture := flag.String("road", "", "paint the road picture into this file, and do nothing else")
	networks := flag.String("networks", "", "write the example networks with random weights into this folder, and do nothing else")
	flag.Parse()
	if *networks != "" {
		if err := writeNetworks(*networks); err != nil {
			fmt.Fprintln(os.Stderr, "sample:", err)
			os.Exit(1)
		}
		return
	}
	if *picture != "" {
		if err := road(*picture); err != nil {
			fmt.Fprintln(os.Stderr, "sample:", err)
			os.Exit(1)
		}
		return
	}
	for _, c := range []struct {
		in, out string
		header  int
		record  int
		count   int
	}{
		{"train-images-idx3-ubyte.gz", "fashion-train-images-idx3-ubyte.gz", 16, 28 * 28, *calib},
		{"train-labels-idx1-ubyte.gz", "fashion-train-labels-idx1-ubyte.gz", 8, 1, *calib},
		{"t10k-images-idx3-ubyte.gz", "fashion-test-images-idx3-ubyte.gz", 16, 28 * 28, *test},
		{"t10k-labels-idx1-ubyte.gz", "fashion-test-labels-idx1-ubyte.gz", 8, 1, *test},
	} {
		if err := cut(filepath.Join(*from, c.in), filepath.Join(*to, c.out), c.header, c.record, c.count); err != nil {
			fmt.Fprintln(os.Stderr, "sample:", err)
			os.Exit(1)
		}
	}
}

func cut(in, out string, header, record, count int) error {
	f, err := os.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	raw := make([]byte, header+record*count)
	if _, err := io.ReadFull(z, raw); err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	binary.BigEndian.PutUint32(raw[4:], uint32(count))
	w, err := os.Create(out)
	if err != nil {
		return err
	}
	defer w.Close()
	// The header of a new gzip.Writer has neither name nor time.
	pack, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := pack.Write(raw); err != nil {
		return err
	}
	if err := pack.Close(); err != nil {
		return err
	}
	return w.Close()
}
