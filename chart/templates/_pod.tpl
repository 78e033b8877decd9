{{/* What the pods of both components share. */}}

{{/*
The account's token, bound to the pod and renewed by the kubelet. It lives half an hour; the hour
that is usual without a volume of one's own is stretched to a year by most API servers.
*/}}
{{- define "rumpus.token" -}}
name: token
projected:
  defaultMode: 0444
  sources:
  - serviceAccountToken: {path: token, expirationSeconds: 1800}
  - configMap:
      name: kube-root-ca.crt
      items: [{key: ca.crt, path: ca.crt}]
  - downwardAPI:
      items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]
{{- end }}

{{- define "rumpus.tokenMount" -}}
{name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}

{{/* The environment of both components; the flags of the same names are in `rumpus COMPONENT --help`. */}}
{{- define "rumpus.environment" -}}
{{- $address := .Values.apiServer.host -}}
{{- if contains ":" $address }}{{ $address = printf "[%s]" $address }}{{ end -}}
- name: RUMPUS_POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: RUMPUS_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: RUMPUS_POD_UID
  valueFrom: {fieldRef: {fieldPath: metadata.uid}}
- {name: RUMPUS_LEASE, value: {{ .Values.lease | quote }}}
- {name: RUMPUS_PROTECTED_NAMESPACES, value: {{ include "rumpus.protected" . | fromJsonArray | join "," | quote }}}
- {name: RUMPUS_MAX_DURATION, value: {{ .Values.maxDuration | quote }}}
- {name: RUMPUS_NODE_TARGETS, value: {{ .Values.nodeTargets | quote }}}
- {name: RUMPUS_LOG_LEVEL, value: {{ .Values.logLevel | quote }}}
{{- if $address }}
- {name: RUMPUS_API_SERVER, value: {{ printf "%s:%v" $address .Values.apiServer.port | quote }}}
- {name: KUBERNETES_SERVICE_HOST, value: {{ .Values.apiServer.host | quote }}}
- {name: KUBERNETES_SERVICE_PORT, value: {{ .Values.apiServer.port | quote }}}
{{- end }}
{{- end }}
