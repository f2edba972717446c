--- The format of Llama 3 Instruct: each turn after a header with its role, and ended by `<|eot_id|>`.

return [==[
{%- macro header(role) -%}
  {{- "<|start_header_id|>" ~ role ~ "<|end_header_id|>\n\n" -}}
{%- endmacro -%}
{%- for turn in messages -%}
  {{- bos_token if loop.first else "" -}}
  {{- header(turn["role"]) ~ turn["content"] | trim ~ "<|eot_id|>" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- header("assistant") -}}
{%- endif -%}
]==]
