package driver

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// archive is a static library of one object, with the index of symbols that
// linkers look into: the common form of ar, without times and owners, so that equal
// objects give equal bytes.
func archive(name string, object []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	var names []byte
	count := 0
	for _, s := range symbols {
		if elf.ST_BIND(s.Info) == elf.STB_GLOBAL && s.Section != elf.SHN_UNDEF {
			names, count = append(append(names, s.Name...), 0), count+1
		}
	}
	const magic, header = "!<arch>\n", 60
	long := name + ".o/\n" // the table of names, for those of more than 15 letters
	even := func(n int) int { return n + n%2 }
	indexSize := 4 + 4*count + len(names)
	at := len(magic) + header + even(indexSize) + header + even(len(long))
	index := binary.BigEndian.AppendUint32(nil, uint32(count))
	for range count {
		index = binary.BigEndian.AppendUint32(index, uint32(at))
	}
	out := bytes.NewBufferString(magic)
	member := func(name string, content []byte) {
		fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "644", len(content))
		out.Write(content)
		if len(content)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	member("/", append(index, names...))
	member("//", []byte(long))
	member("/0", object)
	return out.Bytes(), nil
}
