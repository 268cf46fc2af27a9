#!/usr/bin/env bash
# One run of review.py for action.yml: annotations on standard output, a job summary, and SARIF when asked for.
set -euo pipefail

arguments=(signals "$REVIEW_PATH" --format github --relative-to "$GITHUB_WORKSPACE" --impact="$REVIEW_IMPACT")
test -z "$REVIEW_SINCE" || arguments+=(--since="$REVIEW_SINCE")
test -z "$REVIEW_BASELINE" || arguments+=(--baseline="$REVIEW_BASELINE")
test -z "$REVIEW_DIMENSION" || arguments+=(--dimension="$REVIEW_DIMENSION")
test -z "$REVIEW_FAIL_ON" || arguments+=(--fail-on="$REVIEW_FAIL_ON")
test -z "$REVIEW_SARIF" || arguments+=(--also="sarif=$REVIEW_SARIF")
test -z "${GITHUB_STEP_SUMMARY:-}" || arguments+=(--also="markdown=$GITHUB_STEP_SUMMARY")
case "$REVIEW_CONFIG" in
    "") ;;
    none) arguments+=(--no-config) ;;
    *) arguments+=(--config="$REVIEW_CONFIG") ;;
esac
exec "$REVIEW_PYTHON" -I "$(dirname "${BASH_SOURCE[0]}")/../scripts/review.py" "${arguments[@]}"
