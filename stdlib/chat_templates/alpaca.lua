--- The prompt format of Stanford Alpaca: a system text, then instructions, inputs and responses under headings.

return [==[
{%- set headings = {
  "user": "### Instruction:\n", "user_context": "### Input:\n", "assistant": "### Response:\n"
} -%}
{%- set system = messages | selectattr("role", "equalto", "system") | map(attribute="content") | list -%}
{{- system[-1] | trim ~ "\n\n" if system else "" -}}
{%- for turn in messages -%}
  {%- if turn["role"] in headings -%}
    {{- headings[turn["role"]] ~ turn["content"] | trim ~ ("" if loop.last else "\n\n") -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt and messages[-1]["role"] != "assistant" -%}
  {{- "\n\n" ~ headings["assistant"] -}}
{%- endif -%}
]==]
