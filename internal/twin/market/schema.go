package market

import "millrace/internal/twin/store"

// defineProperties gives the portal its property definitions: those HubSpot ships, and the few that this company made.
func (s *Sim) defineProperties() {
	born := s.at(-history-30, 0)
	def := func(typ, name, label, kind, field, group string, more func(*store.Property)) {
		p := store.Property{Name: name, Label: label, Type: kind, FieldType: field, Group: group, Defined: true, Created: born, Updated: born}
		if more != nil {
			more(&p)
		}
		s.st.CRM.Table(typ).Define(p)
	}
	readOnly := func(p *store.Property) { p.ReadOnly = true }
	custom := func(p *store.Property) { p.Defined = false }
	options := func(values ...string) func(*store.Property) {
		return func(p *store.Property) {
			for i, v := range values {
				p.Options = append(p.Options, store.Option{Label: v, Value: v, Order: i})
			}
		}
	}
	customOptions := func(values ...string) func(*store.Property) {
		return func(p *store.Property) { options(values...)(p); p.Defined = false }
	}
	for typ, group := range map[string]string{
		"contacts": "contactinformation", "companies": "companyinformation", "deals": "dealinformation", "tickets": "ticketinformation", "leads": "lead_information", "notes": "engagement", "tasks": "engagement",
	} {
		def(typ, "hs_object_id", "Record ID", "number", "number", group, readOnly)
		def(typ, "createdate", "Create Date", "datetime", "date", group, readOnly)
		def(typ, s.st.CRM.Table(typ).ModifiedName(), "Last Modified Date", "datetime", "date", group, readOnly)
		def(typ, "hubspot_owner_id", "Owner", "enumeration", "select", group, nil)
	}
	stages := options("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist", "other")
	text := func(typ, group string, names ...[2]string) {
		for _, n := range names {
			def(typ, n[0], n[1], "string", "text", group, nil)
		}
	}
	g := "contactinformation"
	def("contacts", "email", "Email", "string", "text", g, func(p *store.Property) { p.Unique, p.FormField = true, true })
	text("contacts", g, [2]string{"firstname", "First Name"}, [2]string{"lastname", "Last Name"}, [2]string{"jobtitle", "Job Title"},
		[2]string{"company", "Company Name"}, [2]string{"country", "Country/Region"}, [2]string{"hs_additional_emails", "Additional email addresses"},
		[2]string{"recent_conversion_event_name", "Recent Conversion"}, [2]string{"hs_analytics_source_data_1", "Original Source Drill-Down 1"}, [2]string{"website", "Website URL"}, [2]string{"city", "City"})
	def("contacts", "phone", "Phone Number", "string", "phonenumber", g, nil)
	def("contacts", "mobilephone", "Mobile Phone Number", "string", "phonenumber", g, nil)
	def("contacts", "lifecyclestage", "Lifecycle Stage", "enumeration", "radio", g, stages)
	def("contacts", "hs_lead_status", "Lead Status", "enumeration", "radio", g, options("NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED", "BAD_TIMING"))
	def("contacts", "hs_analytics_source", "Original Source", "enumeration", "select", g, options("ORGANIC_SEARCH", "PAID_SEARCH", "EMAIL_MARKETING", "SOCIAL_MEDIA", "REFERRALS", "OTHER_CAMPAIGNS", "DIRECT_TRAFFIC", "OFFLINE", "PAID_SOCIAL"))
	def("contacts", "hs_email_optout", "Unsubscribed from all email", "bool", "booleancheckbox", "emailinformation", nil)
	def("contacts", "hs_legal_basis", "Legal basis for processing contact's data", "enumeration", "checkbox", g, options("Legitimate interest – prospect/lead", "Legitimate interest – existing customer", "Legitimate interest - other", "Performance of a contract", "Freely given consent from contact", "Not applicable"))
	def("contacts", "recent_conversion_date", "Recent Conversion Date", "datetime", "date", g, nil)
	def("contacts", "hs_sa_first_engagement_date", "Date of first engagement", "datetime", "date", g, readOnly)
	for _, n := range [][2]string{{"utm_source", "UTM source"}, {"utm_medium", "UTM medium"}, {"utm_campaign", "UTM campaign"}, {"product_user_id", "Product user id"}} {
		def("contacts", n[0], n[1], "string", "text", g, custom)
	}
	def("contacts", "lead_route", "Lead route", "enumeration", "select", g, customOptions("sales", "nurture"))
	def("contacts", "consent_status", "Consent to marketing", "enumeration", "select", g, customOptions("granted", "denied", "unknown"))
	def("contacts", "consent_timestamp", "Consent given or refused at", "datetime", "date", g, custom)
	def("contacts", "consent_region", "Consent region", "enumeration", "select", g, customOptions("EU", "UK", "US", "CA", "OTHER"))

	g = "companyinformation"
	text("companies", g, [2]string{"name", "Company name"}, [2]string{"domain", "Company Domain Name"}, [2]string{"country", "Country/Region"}, [2]string{"website", "Website URL"}, [2]string{"city", "City"})
	def("companies", "industry", "Industry", "enumeration", "select", g, options(industries...))
	def("companies", "phone", "Phone Number", "string", "phonenumber", g, nil)
	def("companies", "numberofemployees", "Number of Employees", "number", "number", g, nil)
	def("companies", "annualrevenue", "Annual Revenue", "number", "number", g, nil)
	def("companies", "lifecyclestage", "Lifecycle Stage", "enumeration", "radio", g, stages)

	s.st.CRM.Stages = []store.Stage{
		{ID: "appointmentscheduled", Label: "Appointment Scheduled", Probability: "0.2"}, {ID: "qualifiedtobuy", Label: "Qualified To Buy", Probability: "0.4"},
		{ID: "presentationscheduled", Label: "Presentation Scheduled", Probability: "0.6"}, {ID: "decisionmakerboughtin", Label: "Decision Maker Bought-In", Probability: "0.8"},
		{ID: "contractsent", Label: "Contract Sent", Probability: "0.9"}, {ID: "closedwon", Label: "Closed Won", Probability: "1.0", Closed: true},
		{ID: "closedlost", Label: "Closed Lost", Probability: "0.0", Closed: true},
	}
	var ids []string
	for _, st := range s.st.CRM.Stages {
		ids = append(ids, st.ID)
	}
	g = "dealinformation"
	text("deals", g, [2]string{"dealname", "Deal Name"}, [2]string{"closed_lost_reason", "Closed Lost Reason"}, [2]string{"hs_next_step", "Next step"})
	def("deals", "dealstage", "Deal Stage", "enumeration", "radio", g, options(ids...))
	def("deals", "pipeline", "Pipeline", "enumeration", "select", g, options("default"))
	def("deals", "dealtype", "Deal Type", "enumeration", "radio", g, options("newbusiness", "existingbusiness"))
	def("deals", "deal_currency_code", "Currency", "enumeration", "select", g, options("USD", "EUR"))
	def("deals", "amount", "Amount", "number", "number", g, nil)
	def("deals", "closedate", "Close Date", "datetime", "date", g, nil)

	g = "ticketinformation"
	text("tickets", g, [2]string{"subject", "Ticket name"}, [2]string{"content", "Ticket description"})
	def("tickets", "hs_pipeline", "Pipeline", "enumeration", "select", g, options("0"))
	def("tickets", "hs_pipeline_stage", "Ticket status", "enumeration", "select", g, options("1", "2", "3", "4"))
	def("tickets", "hs_ticket_priority", "Priority", "enumeration", "select", g, options("LOW", "MEDIUM", "HIGH", "URGENT"))
	def("tickets", "hs_ticket_category", "Category", "enumeration", "checkbox", g, options("PRODUCT_ISSUE", "BILLING_ISSUE", "FEATURE_REQUEST", "GENERAL_INQUIRY"))
	def("tickets", "source_type", "Source", "enumeration", "select", g, options("CHAT", "EMAIL", "FORM", "PHONE"))
	def("tickets", "closed_date", "Close date", "datetime", "date", g, nil)

	g = "lead_information"
	text("leads", g, [2]string{"hs_lead_name", "Lead Name"}, [2]string{"hs_pipeline", "Lead Pipeline"}, [2]string{"hs_pipeline_stage", "Lead Pipeline Stage"})
	def("leads", "hs_lead_type", "Lead Type", "enumeration", "select", g, options("NEW_BUSINESS", "RE_ATTEMPT", "UPSELL", "ATTACH_OFFER"))
	def("leads", "hs_lead_label", "Lead Label", "enumeration", "select", g, options("WARM", "HOT", "COLD"))

	for typ, body := range map[string]string{"notes": "hs_note_body", "tasks": "hs_task_body"} {
		text(typ, "engagement", [2]string{body, "Body"})
		def(typ, "hs_timestamp", "Activity date", "datetime", "date", "engagement", nil)
		def(typ, "millrace_id", "Millrace id", "string", "text", "engagement", func(p *store.Property) { p.Unique, p.Defined = true, false })
	}
	text("tasks", "engagement", [2]string{"hs_task_subject", "Task Title"})
	def("tasks", "hs_task_status", "Task Status", "enumeration", "select", "engagement", options("NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED"))
	def("tasks", "hs_task_priority", "Priority", "enumeration", "select", "engagement", options("NONE", "LOW", "MEDIUM", "HIGH"))
	def("tasks", "hs_task_type", "Task Type", "enumeration", "select", "engagement", options("EMAIL", "CALL", "TODO"))
}
