package sqlfunc

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// A memo gives what the function gives, to many at once, and asks it less often.
func TestMemo(t *testing.T) {
	var calls atomic.Int64
	m := remember(func(k string) string {
		calls.Add(1)
		return "<" + k + ">"
	})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 40_000 {
				k := strconv.Itoa(i % (3 * slots)) // more keys than slots: they push each other out
				if got := m.get(k); got != "<"+k+">" {
					t.Errorf("%s gives %s", k, got)
					return
				}
				m.get(k)
			}
		})
	}
	group.Wait()
	if n := calls.Load(); n >= 4*2*40_000*3/4 {
		t.Errorf("%d calls: nothing was remembered", n)
	}
}

// Functions of one query agree with each other on every row, whatever was read before and on how many threads.
func TestAgree(t *testing.T) {
	db := open(t)
	res, err := db.Query(context.Background(), `
		select count(*) from (
			select i, 'Jane.' || (i % 3000) || '+x@GoogleMail.com' as email, '+1 415 8' || (200000 + i % 3000)::varchar as phone, 'Acme ' || (i % 3000) || ' GmbH' as name
			from range(8000) t(i)
		)
		where norm_email(email) is distinct from 'jane.' || (i % 3000) || '+x@googlemail.com'
			or norm_email_mailbox(email) is distinct from 'jane' || (i % 3000) || '@gmail.com'
			or norm_email_class(email) is distinct from 'free'
			or norm_phone(phone) is distinct from '+14158' || (200000 + i % 3000)
			or norm_phone_country(phone) is distinct from 'US'
			or norm_company(name) is distinct from 'acme ' || (i % 3000)
			or norm_company_form(name) is distinct from 'gmbh'`)
	if err != nil {
		t.Fatal(err)
	}
	if n := fmt.Sprint(res.Rows[0][0]); n != "0" {
		t.Errorf("%s rows differ", n)
	}
}
