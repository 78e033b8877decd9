{{/* Names are fixed: the CRDs and the admission policies allow one installation per cluster. */}}

{{- define "rumpus.labels" -}}
app.kubernetes.io/name: rumpus
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The labels that select the pods of a component; they never change in an upgrade. */}}
{{- define "rumpus.selector" -}}
app.kubernetes.io/name: rumpus
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "rumpus.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Every protected namespace, as a JSON list in a fixed order. */}}
{{- define "rumpus.protected" -}}
{{- concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.protectedNamespaces | uniq | sortAlpha | toJson -}}
{{- end }}

{{/* One document of files/admission, with what only the installation knows filled in. */}}
{{- define "rumpus.admission" -}}
{{- $protected := printf "['%s']" (include "rumpus.protected" .root | fromJsonArray | join "','") -}}
{{- .text
  | replace "@NAMESPACE@" .root.Release.Namespace
  | replace "@OPT_IN_LABEL@" .root.Values.optIn.label
  | replace "@OPT_IN_VALUE@" .root.Values.optIn.value
  | replace "@PROTECTED@" $protected -}}
{{- end }}

{{/* The names of all admission policies, which are those of their bindings too, as a JSON list. */}}
{{- define "rumpus.admissionNames" -}}
{{- $names := list -}}
{{- range $path, $_ := .Files.Glob "files/admission/*.yaml" -}}
{{- range regexFindAll "policyName: [a-z0-9-]+" ($.Files.Get $path) -1 -}}
{{- $names = append $names (trimPrefix "policyName: " .) -}}
{{- end -}}
{{- end -}}
{{- $names | sortAlpha | toJson -}}
{{- end }}
