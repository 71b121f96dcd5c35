package excel

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"sort"
	"strings"
)

// stable writes the package again with its parts and its list of content types in a fixed order: the library writes them
// in the order of a hash map, and equal reports must be equal files (P4).
func stable(data []byte) ([]byte, error) {
	in, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	files := append([]*zip.File(nil), in.File...)
	sort.Slice(files, func(i, j int) bool {
		a, b := files[i].Name, files[j].Name
		if (a == contentTypes) != (b == contentTypes) {
			return a == contentTypes // the format asks for no order, but some readers look here first
		}
		return a < b
	})
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		if f.Name != contentTypes {
			if err := w.Copy(f); err != nil {
				return nil, err
			}
			continue
		}
		list, err := orderedTypes(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		part, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Deflate})
		if err != nil {
			return nil, err
		}
		if _, err := part.Write(list); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

const contentTypes = "[Content_Types].xml"

type typeList struct {
	XMLName  xml.Name `xml:"http://schemas.openxmlformats.org/package/2006/content-types Types"`
	Defaults []struct {
		Extension   string `xml:"Extension,attr"`
		ContentType string `xml:"ContentType,attr"`
	} `xml:"Default"`
	Overrides []struct {
		PartName    string `xml:"PartName,attr"`
		ContentType string `xml:"ContentType,attr"`
	} `xml:"Override"`
}

func orderedTypes(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var l typeList
	if err := xml.Unmarshal(data, &l); err != nil {
		return nil, err
	}
	sort.Slice(l.Defaults, func(i, j int) bool { return l.Defaults[i].Extension < l.Defaults[j].Extension })
	sort.Slice(l.Overrides, func(i, j int) bool {
		return strings.ToLower(l.Overrides[i].PartName) < strings.ToLower(l.Overrides[j].PartName)
	})
	body, err := xml.Marshal(l)
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), body...), nil
}
