package activate

import (
	"context"

	"millrace/internal/httpx"
)

// OneByOne sends a batch to an API that takes one row a call. What is refused for good is that row's answer, and the next
// row is sent. Any other failure ends the batch: as the error of Send when it is the first call's, so that the engine
// treats the batch as it treats any failed call; later, the row in hand is unknown (or put off, when nothing was
// written), and the rows after it were not sent.
func OneByOne(ctx context.Context, rows []Row, send func(context.Context, Row) (Result, error)) (Answer, error) {
	var a Answer
	for i, r := range rows {
		res, err := send(ctx, r)
		if err == nil {
			res.ID = r.ID
			a.Results = append(a.Results, res)
			continue
		}
		class := httpx.ClassOf(err)
		if class == httpx.Permanent {
			a.Results = append(a.Results, Result{ID: r.ID, Status: Rejected, Class: "row", Message: err.Error()})
			continue
		}
		if i == 0 {
			return Answer{}, err
		}
		stopped := Result{ID: r.ID, Status: Retry, Message: err.Error()}
		if class == "" || class == httpx.Unknown {
			stopped.Status = Unknown
		}
		a.Results = append(a.Results, stopped)
		for _, rest := range rows[i+1:] {
			a.Results = append(a.Results, Result{ID: rest.ID, Status: Retry, Message: "not sent: an earlier call of the batch failed"})
		}
		break
	}
	return a, nil
}
