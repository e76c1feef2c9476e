package weights

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// WriteNPZ writes tensors as numpy's savez does: an npy a tensor, not compressed,
// in their order.
func WriteNPZ(w io.Writer, tensors []Tensor) error {
	z := zip.NewWriter(w)
	for _, t := range tensors {
		descr := ""
		for d, e := range npyTypes {
			if e == t.DType {
				descr = d
			}
		}
		if descr == "" {
			return fmt.Errorf("npz has no elements of %s", t.DType)
		}
		f, err := z.CreateHeader(&zip.FileHeader{Name: t.Name + ".npy", Method: zip.Store})
		if err != nil {
			return err
		}
		dims := strings.Builder{}
		for _, d := range t.Shape {
			fmt.Fprintf(&dims, "%d,", d)
		}
		head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims.String())
		// The header ends in a line break, and the data are aligned to 64 bytes.
		const magic = "\x93NUMPY\x01\x00"
		head += strings.Repeat(" ", 63-(len(magic)+2+len(head))%64) + "\n"
		raw := binary.LittleEndian.AppendUint16([]byte(magic), uint16(len(head)))
		if _, err := f.Write(append(append(raw, head...), t.Data...)); err != nil {
			return err
		}
	}
	return z.Close()
}
