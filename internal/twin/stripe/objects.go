package stripe

import (
	"maps"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// object is a Stripe object on its way out; JSON sorts its keys.
type object = map[string]any

// when is an instant in seconds, null for none.
func when(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}

// text is a string, null when empty.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func meta(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}

func listObject(url string, data ...any) object {
	return object{"object": "list", "data": data, "has_more": false, "url": url}
}

// intent is the payment intent of a charge.
func intent(chargeID string) string { return "pi_" + strings.TrimPrefix(chargeID, "ch_") }

func product(p *store.Product) object {
	return object{
		"id": p.ID, "object": "product", "active": true, "created": p.Created.Unix(), "updated": p.Created.Unix(), "name": p.Name, "description": nil, "features": []any{},
		"images": []any{}, "livemode": false, "metadata": object{}, "default_price": nil, "package_dimensions": nil, "shippable": nil, "statement_descriptor": nil,
		"tax_code": nil, "unit_label": "seat", "url": nil, "type": "service", "attributes": []any{},
	}
}

func price(p *store.Price) object {
	return object{
		"id": p.ID, "object": "price", "active": true, "billing_scheme": "per_unit", "created": p.Created.Unix(), "currency": p.Currency, "custom_unit_amount": nil,
		"livemode": false, "lookup_key": nil, "metadata": object{}, "nickname": p.Nickname, "product": p.Product,
		"recurring":    object{"aggregate_usage": nil, "interval": p.Interval, "interval_count": 1, "trial_period_days": nil, "usage_type": "licensed"},
		"tax_behavior": "exclusive", "tiers_mode": nil, "transform_quantity": nil, "type": "recurring", "unit_amount": p.UnitAmount, "unit_amount_decimal": itoa(p.UnitAmount),
	}
}

func address(country string) object {
	return object{"city": nil, "country": text(country), "line1": nil, "line2": nil, "postal_code": nil, "state": nil}
}

func customer(c *store.Customer) object {
	o := object{
		"id": c.ID, "object": "customer", "address": nil, "balance": 0, "created": c.Created.Unix(), "currency": text(c.Currency), "default_source": nil, "delinquent": false,
		"description": text(c.Description), "discount": nil, "email": text(c.Email), "invoice_prefix": strings.ToUpper(c.ID[len(c.ID)-8:]),
		"invoice_settings": object{"custom_fields": nil, "default_payment_method": nil, "footer": nil, "rendering_options": nil},
		"livemode":         false, "metadata": meta(c.Metadata), "name": text(c.Name), "next_invoice_sequence": 1, "phone": text(c.Phone), "preferred_locales": []any{},
		"shipping": nil, "tax_exempt": "none", "test_clock": nil,
	}
	if c.Country != "" {
		o["address"] = address(c.Country)
	}
	return o
}

func subItem(b *store.Billing, s *store.Subscription) object {
	return object{
		"id": s.Item, "object": "subscription_item", "billing_thresholds": nil, "created": s.Created.Unix(), "metadata": object{}, "price": price(b.Price(s.Price)),
		"quantity": s.Quantity, "subscription": s.ID, "tax_rates": []any{},
	}
}

func subscription(b *store.Billing, s *store.Subscription) object {
	cancelAt := any(nil)
	if s.CancelAtPeriodEnd {
		cancelAt = s.PeriodEnd.Unix()
	}
	return object{
		"id": s.ID, "object": "subscription", "application": nil, "application_fee_percent": nil, "automatic_tax": object{"enabled": false},
		"billing_cycle_anchor": s.Start.Unix(), "billing_thresholds": nil, "cancel_at": cancelAt, "cancel_at_period_end": s.CancelAtPeriodEnd, "canceled_at": when(s.CanceledAt),
		"cancellation_details": object{"comment": nil, "feedback": nil, "reason": nil}, "collection_method": "charge_automatically", "created": s.Created.Unix(),
		"currency": s.Currency, "current_period_end": s.PeriodEnd.Unix(), "current_period_start": s.PeriodStart.Unix(), "customer": s.Customer, "days_until_due": nil,
		"default_payment_method": nil, "default_source": nil, "default_tax_rates": []any{}, "description": nil, "discount": nil, "ended_at": when(s.EndedAt),
		"items": listObject("/v1/subscription_items?subscription="+s.ID, subItem(b, s)), "latest_invoice": latest(b, s), "livemode": false, "metadata": meta(s.Metadata),
		"next_pending_invoice_item_invoice": nil, "on_behalf_of": nil, "pause_collection": nil, "payment_settings": object{"payment_method_options": nil, "payment_method_types": nil, "save_default_payment_method": "off"},
		"pending_invoice_item_interval": nil, "pending_setup_intent": nil, "pending_update": nil, "schedule": nil, "start_date": s.Start.Unix(), "status": s.Status,
		"test_clock": nil, "transfer_data": nil, "trial_end": when(s.TrialEnd), "trial_settings": object{"end_behavior": object{"missing_payment_method": "create_invoice"}}, "trial_start": when(s.TrialStart),
		"quantity": s.Quantity,
	}
}

func latest(b *store.Billing, s *store.Subscription) any {
	for i := len(b.Invoices) - 1; i >= 0; i-- {
		if b.Invoices[i].Subscription == s.ID {
			return b.Invoices[i].ID
		}
	}
	return nil
}

func invoice(b *store.Billing, i *store.Invoice) object {
	paid := i.Status == "paid"
	amountPaid := int64(0)
	if paid {
		amountPaid = i.Total()
	}
	sub := i.Quantity * i.UnitAmount
	line := object{
		"id": "il_" + strings.TrimPrefix(i.ID, "in_"), "object": "line_item", "amount": sub, "amount_excluding_tax": sub, "currency": i.Currency,
		"description": "seats", "discount_amounts": []any{}, "discountable": true, "discounts": []any{}, "livemode": false, "metadata": object{},
		"period": object{"start": i.PeriodStart.Unix(), "end": i.PeriodEnd.Unix()}, "price": price(b.Price(i.Price)), "proration": i.Proration,
		"proration_details": object{"credited_items": nil}, "quantity": i.Quantity, "subscription": i.Subscription, "tax_amounts": []any{}, "tax_rates": []any{}, "type": "subscription",
	}
	taxes, discounts := []any{}, []any{}
	if i.Tax > 0 {
		taxes = append(taxes, object{"amount": i.Tax, "inclusive": false, "tax_rate": "txr_1TwinVAT", "taxability_reason": nil, "taxable_amount": sub - i.Discount})
	}
	if i.Discount > 0 {
		discounts = append(discounts, object{"amount": i.Discount, "discount": "di_1Twin" + i.ID[len(i.ID)-8:]})
	}
	voided, uncollectible := any(nil), any(nil)
	if i.Status == "uncollectible" {
		uncollectible = i.Created.AddDate(0, 0, 6).Unix()
	}
	return object{
		"id": i.ID, "object": "invoice", "account_country": "US", "account_name": "Millstone", "account_tax_ids": nil, "amount_due": i.Total(), "amount_paid": amountPaid,
		"amount_remaining": i.Total() - amountPaid, "amount_shipping": 0, "application": nil, "application_fee_amount": nil, "attempt_count": 1, "attempted": true,
		"auto_advance": false, "automatic_tax": object{"enabled": false, "status": nil}, "billing_reason": i.Reason, "charge": text(i.Charge), "collection_method": "charge_automatically",
		"created": i.Created.Unix(), "currency": i.Currency, "custom_fields": nil, "customer": i.Customer, "customer_address": nil, "customer_email": text(i.CustomerEmail),
		"customer_name": text(i.CustomerName), "customer_phone": nil, "customer_shipping": nil, "customer_tax_exempt": "none", "customer_tax_ids": []any{},
		"default_payment_method": nil, "default_source": nil, "default_tax_rates": []any{}, "description": nil, "discount": nil, "discounts": []any{}, "due_date": nil,
		"effective_at": i.Created.Unix(), "ending_balance": 0, "footer": nil, "from_invoice": nil, "hosted_invoice_url": nil, "invoice_pdf": nil, "last_finalization_error": nil,
		"latest_revision": nil, "lines": listObject("/v1/invoices/"+i.ID+"/lines", line), "livemode": false, "metadata": object{}, "next_payment_attempt": nil, "number": i.Number,
		"on_behalf_of": nil, "paid": paid, "paid_out_of_band": false, "payment_intent": intentOf(i), "payment_settings": object{"default_mandate": nil, "payment_method_options": nil, "payment_method_types": nil},
		"period_end": i.PeriodEnd.Unix(), "period_start": i.PeriodStart.Unix(), "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0, "quote": nil,
		"receipt_number": nil, "rendering_options": nil, "shipping_cost": nil, "shipping_details": nil, "starting_balance": 0, "statement_descriptor": nil, "status": i.Status,
		"status_transitions": object{"finalized_at": i.Created.Unix(), "marked_uncollectible_at": uncollectible, "paid_at": when(i.PaidAt), "voided_at": voided},
		"subscription":       i.Subscription, "subscription_details": object{"metadata": object{}}, "subtotal": sub, "subtotal_excluding_tax": sub - i.Discount, "tax": i.Tax, "test_clock": nil, "total": i.Total(),
		"total_discount_amounts": discounts, "total_excluding_tax": sub - i.Discount, "total_tax_amounts": taxes, "transfer_data": nil, "webhooks_delivered_at": i.Created.Unix(),
	}
}

func intentOf(i *store.Invoice) any {
	if i.Charge == "" {
		return nil
	}
	return intent(i.Charge)
}

func charge(b *store.Billing, c *store.Charge) object {
	ok := c.Status == "succeeded"
	captured := int64(0)
	if ok {
		captured = c.Amount
	}
	message := any(nil)
	if c.FailureCode != "" {
		message = "Your card was declined."
	}
	email, name := any(nil), any(nil)
	if cu := b.Customer(c.Customer); cu != nil {
		email, name = text(cu.Email), text(cu.Name)
	}
	return object{
		"id": c.ID, "object": "charge", "amount": c.Amount, "amount_captured": captured, "amount_refunded": c.Refunded, "application": nil, "application_fee": nil,
		"application_fee_amount": nil, "balance_transaction": "txn_" + strings.TrimPrefix(c.ID, "ch_"), "billing_details": object{"address": nil, "email": email, "name": name, "phone": nil},
		"calculated_statement_descriptor": "MILLSTONE", "captured": ok, "created": c.Created.Unix(), "currency": c.Currency, "customer": c.Customer, "description": "Subscription",
		"disputed": false, "failure_balance_transaction": nil, "failure_code": text(c.FailureCode), "failure_message": message, "fraud_details": nil, "invoice": text(c.Invoice),
		"livemode": false, "metadata": object{}, "on_behalf_of": nil, "outcome": nil, "paid": ok, "payment_intent": intent(c.ID), "payment_method": "pm_1Twin", "payment_method_details": nil,
		"receipt_email": nil, "receipt_number": nil, "receipt_url": nil, "refunded": c.Refunded > 0 && c.Refunded == c.Amount, "review": nil, "shipping": nil,
		"source_transfer": nil, "statement_descriptor": nil, "statement_descriptor_suffix": nil, "status": c.Status, "transfer_data": nil, "transfer_group": nil,
	}
}

func refund(r *store.Refund) object {
	return object{
		"id": r.ID, "object": "refund", "amount": r.Amount, "balance_transaction": nil, "charge": r.Charge, "created": r.Created.Unix(), "currency": r.Currency, "metadata": object{},
		"payment_intent": intent(r.Charge), "reason": text(r.Reason), "receipt_number": nil, "source_transfer_reversal": nil, "status": r.Status, "transfer_reversal": nil,
	}
}

func event(b *store.Billing, e *store.Event) object {
	var o object
	switch x := e.Object.(type) {
	case store.Customer:
		o = customer(&x)
	case store.Subscription:
		o = subscription(b, &x)
	case store.Invoice:
		o = invoice(b, &x)
	case store.Charge:
		o = charge(b, &x)
	}
	return object{
		"id": e.ID, "object": "event", "api_version": Version, "created": e.Created.Unix(), "data": object{"object": o}, "livemode": false, "pending_webhooks": 0,
		"request": object{"id": nil, "idempotency_key": nil}, "type": e.Type,
	}
}
