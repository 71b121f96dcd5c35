package main

import "github.com/spf13/cobra"

// commands is the list of verbs; each is a file of its own.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		newInitCmd(a),
		newRunCmd(a),
		newDemoCmd(a),
		newUpgradeCmd(a),
		newDoctorCmd(a),
		newValidateCmd(a),
		newSchemaCmd(a),
		newExtractCmd(a),
		newBuildCmd(a),
		newTestCmd(a),
		newShowCmd(a),
		newQueryCmd(a),
		newKPICmd(a),
		newLsCmd(a),
		newDigestCmd(a),
		newLineageCmd(a),
		newQualityCmd(a),
		newDecideCmd(a),
		newPlanCmd(a),
		newApproveCmd(a),
		newApplyCmd(a),
		newUndoCmd(a),
		newActivateCmd(a),
		newStopCmd(a),
		newStartCmd(a),
		newReportCmd(a),
		newIdentityCmd(a),
		newQuarantineCmd(a),
		newPrivacyCmd(a),
		newStateCmd(a),
		newTwinCmd(a),
		newResolveCmd(a),
	}
}
