--- The format of EXAONE: each turn after its role in `[|…|]`; those of the system and the assistant end with
--- `[|endofturn|]`, and an empty one of the system comes first if there is none.

return [==[
{%- for turn in messages -%}
  {%- if loop.first and turn["role"] != "system" -%}
    {{- "[|system|][|endofturn|]\n" -}}
  {%- endif -%}
  {{- "[|" ~ turn["role"] ~ "|]" ~ turn["content"] ~ ("" if turn["role"] == "user" else "[|endofturn|]") ~ "\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- "[|assistant|]" -}}
{%- endif -%}
]==]
