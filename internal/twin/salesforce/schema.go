package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// field is one field of an object.
type field struct {
	name     string
	typ      string
	length   int
	required bool // on create
	readOnly bool
	external bool // an external id, unique
	refers   string
	values   []string // of a restricted picklist
}

// object is one kind of record.
type object struct {
	name, prefix string
	fields       []field
}

func text(name string, length int) field { return field{name: name, typ: "string", length: length} }

// own are the fields that the company added to an object; every object has the external id.
func own(more ...field) []field {
	return append([]field{
		{name: "Id", typ: "id", length: 18, readOnly: true}, {name: "IsDeleted", typ: "boolean", readOnly: true}, {name: "CreatedDate", typ: "datetime", readOnly: true},
		{name: "SystemModstamp", typ: "datetime", readOnly: true}, {name: "LastModifiedDate", typ: "datetime", readOnly: true},
		{name: "OwnerId", typ: "reference", length: 18, refers: "User"},
		{name: "Millrace_Id__c", typ: "string", length: 80, external: true},
	}, more...)
}

var scoreFields = []field{
	{name: "Lead_Score__c", typ: "double"}, {name: "Next_Step__c", typ: "string", length: 255}, {name: "Scored_On__c", typ: "date"}, {name: "Scored_At__c", typ: "datetime"},
	{name: "Fits__c", typ: "boolean"}, {name: "Tier__c", typ: "picklist", length: 40, values: []string{"A", "B", "C"}},
}

var objects = []object{
	{"Lead", "00Q", slices.Concat(own(), scoreFields, []field{text("FirstName", 40), {name: "LastName", typ: "string", length: 80, required: true}, {name: "Company", typ: "string", length: 255, required: true},
		{name: "Email", typ: "email", length: 80}, {name: "Phone", typ: "phone", length: 40}, text("Title", 128), {name: "Status", typ: "picklist", length: 40, values: []string{"Open", "Working", "Qualified", "Unqualified"}}})},
	{"Contact", "003", slices.Concat(own(), scoreFields, []field{text("FirstName", 40), {name: "LastName", typ: "string", length: 80, required: true}, {name: "Email", typ: "email", length: 80},
		{name: "Phone", typ: "phone", length: 40}, text("Title", 128), {name: "AccountId", typ: "reference", length: 18, refers: "Account"}})},
	{"Account", "001", slices.Concat(own(), scoreFields, []field{{name: "Name", typ: "string", length: 255, required: true}, {name: "Website", typ: "url", length: 255}, text("Industry", 80), {name: "NumberOfEmployees", typ: "int"}})},
	{"Opportunity", "006", slices.Concat(own(), scoreFields, []field{{name: "Name", typ: "string", length: 120, required: true}, {name: "StageName", typ: "picklist", length: 40, required: true,
		values: []string{"Prospecting", "Qualification", "Proposal", "Closed Won", "Closed Lost"}}, {name: "CloseDate", typ: "date", required: true}, {name: "Amount", typ: "currency"}, {name: "AccountId", typ: "reference", length: 18, refers: "Account"}})},
	{"Task", "00T", slices.Concat(own(), []field{{name: "Subject", typ: "string", length: 255}, {name: "Description", typ: "textarea", length: 32000}, {name: "ActivityDate", typ: "date"},
		{name: "Status", typ: "picklist", length: 40, values: []string{"Not Started", "In Progress", "Completed"}}, {name: "Priority", typ: "picklist", length: 40, values: []string{"High", "Normal", "Low"}},
		{name: "WhoId", typ: "reference", length: 18}, {name: "WhatId", typ: "reference", length: 18}})},
}

func table(o string) string { return "salesforce." + o }

func findObject(name string, status int) (*object, error) {
	for i := range objects {
		if strings.EqualFold(objects[i].name, name) {
			return &objects[i], nil
		}
	}
	return nil, refuse(status, map[int]string{http.StatusNotFound: "NOT_FOUND", http.StatusBadRequest: "INVALID_TYPE"}[status], "The requested resource does not exist: sObject type '%s' is not supported.", name)
}

func (o *object) field(name string) *field {
	for i := range o.fields {
		if strings.EqualFold(o.fields[i].name, name) {
			return &o.fields[i]
		}
	}
	return nil
}

func (o *object) describe(base string) any {
	var fields []any
	for _, f := range o.fields {
		refers := []string{}
		if f.refers != "" {
			refers = append(refers, f.refers)
		}
		values := []any{}
		for _, v := range f.values {
			values = append(values, map[string]any{"value": v, "label": v, "active": true, "defaultValue": false})
		}
		fields = append(fields, map[string]any{"name": f.name, "label": f.name, "type": f.typ, "length": f.length, "nillable": !f.required, "defaultedOnCreate": f.name == "OwnerId",
			"createable": !f.readOnly, "updateable": !f.readOnly, "externalId": f.external, "idLookup": f.external || f.name == "Id", "unique": f.external, "caseSensitive": false, "calculated": false, "autoNumber": false,
			"custom": strings.HasSuffix(f.name, "__c"), "referenceTo": refers, "picklistValues": values, "restrictedPicklist": len(values) > 0})
	}
	return map[string]any{"name": o.name, "label": o.name, "keyPrefix": o.prefix, "createable": true, "updateable": true, "deletable": true, "undeletable": true, "queryable": true, "fields": fields,
		"urls": map[string]string{"sobject": base + "/sobjects/" + o.name, "describe": base + "/sobjects/" + o.name + "/describe"}}
}

// rowError is why one record is refused.
type rowError struct {
	Code    string   `json:"statusCode"`
	Message string   `json:"message"`
	Fields  []string `json:"fields"`
}

func wrong(code, f, format string, args ...any) *rowError {
	return &rowError{code, fmt.Sprintf(format, args...), []string{f}}
}

// check brings a value to the text that the org keeps; empty text clears.
func (f *field) check(s *store.State, v any) (string, *rowError) {
	if v == nil {
		if f.required {
			return "", wrong("REQUIRED_FIELD_MISSING", f.name, "Required fields are missing: [%s]", f.name)
		}
		return "", nil
	}
	out := ""
	switch x := v.(type) {
	case string:
		out = x
	case json.Number:
		out = x.String()
	case bool:
		out = strconv.FormatBool(x)
	default:
		return "", wrong("JSON_PARSER_ERROR", f.name, "Cannot deserialize a value of %s", f.name)
	}
	_, isText := v.(string)
	switch f.typ {
	case "double", "currency", "int":
		n, err := strconv.ParseFloat(out, 64)
		if err != nil || f.typ == "int" && n != float64(int64(n)) {
			return "", wrong("JSON_PARSER_ERROR", f.name, "%s: value not of required type: %s", f.name, out)
		}
		out = strconv.FormatFloat(n, 'f', -1, 64)
	case "boolean":
		if _, err := strconv.ParseBool(out); err != nil {
			return "", wrong("JSON_PARSER_ERROR", f.name, "%s: value not of required type: %s", f.name, out)
		}
	case "date":
		if _, err := time.Parse(time.DateOnly, out); err != nil {
			return "", wrong("JSON_PARSER_ERROR", f.name, "Cannot deserialize instance of date from VALUE_STRING value %s", out)
		}
	case "datetime":
		at, err := time.Parse(time.RFC3339Nano, out)
		if err != nil {
			return "", wrong("JSON_PARSER_ERROR", f.name, "Cannot deserialize instance of datetime from VALUE_STRING value %s", out)
		}
		out = stamp(at)
	default:
		if !isText {
			return "", wrong("JSON_PARSER_ERROR", f.name, "Cannot deserialize instance of string from VALUE_NUMBER value %s", out)
		}
		if f.typ == "email" && out != "" {
			if a, err := mail.ParseAddress(out); err != nil || a.Address != out {
				return "", wrong("INVALID_EMAIL_ADDRESS", f.name, "%s: invalid email address: %s", f.name, out)
			}
		}
		if f.typ == "reference" && out != "" {
			if e := refer(s, f, out); e != nil {
				return "", e
			}
		}
		if len(f.values) > 0 && out != "" && !slices.Contains(f.values, out) {
			return "", wrong("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f.name, "%s: bad value for restricted picklist field: %s", f.name, out)
		}
		if f.length > 0 && len([]rune(out)) > f.length {
			return "", wrong("STRING_TOO_LONG", f.name, "%s: data value too large: %.20s (max length=%d)", f.name, out, f.length)
		}
	}
	if out == "" && f.required {
		return "", wrong("REQUIRED_FIELD_MISSING", f.name, "Required fields are missing: [%s]", f.name)
	}
	return out, nil
}

// refer checks that the record that a lookup names is there.
func refer(s *store.State, f *field, id string) *rowError {
	for _, o := range objects {
		if (f.refers == "" || f.refers == o.name) && s.Docs.Table(table(o.name)).Live(id) != nil {
			return nil
		}
	}
	if f.refers == "User" && s.Docs.Table(table("User")).Live(id) != nil {
		return nil
	}
	return wrong("INVALID_CROSS_REFERENCE_KEY", f.name, "%s: id value of incorrect type or not there: %s", f.name, id)
}

// stamp is Salesforce's spelling of an instant.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000") + "+0000" }

// value is a field of a record as the API tells it.
func (o *object) value(d *store.Doc, f *field) any {
	switch f.name {
	case "Id":
		return d.ID
	case "IsDeleted":
		return d.Deleted
	case "CreatedDate":
		return stamp(d.Created)
	case "SystemModstamp", "LastModifiedDate":
		return stamp(d.Updated)
	}
	v, ok := d.Fields[f.name]
	if f.typ == "boolean" {
		return v == "true"
	}
	if !ok {
		return nil
	}
	switch f.typ {
	case "double", "currency", "int":
		return json.Number(v)
	}
	return v
}

// newID is the n-th id of an object: three letters of its kind, twelve of the record, three that a checksum fills.
func newID(o *object, n int) string { return fmt.Sprintf("%sTw%010dAAA", o.prefix, n) }
