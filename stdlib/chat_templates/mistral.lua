--- The format of Mistral Instruct: instructions between `[INST]` and `[/INST]`, the first with the system text
--- before it, and answers that the end-of-text token follows.

return [==[
{%- set has_system = messages[0]["role"] == "system" -%}
{{- bos_token -}}
{%- for turn in (messages[1:] if has_system else messages) -%}
  {%- if turn["role"] != ("user" if loop.index is odd else "assistant") -%}
    {{- raise_exception("Turns of user and assistant must alternate, after a system message at most: turn "
      ~ loop.index ~ " is of role " ~ turn["role"]) -}}
  {%- elif turn["role"] == "user" -%}
    {%- set system = messages[0]["content"] ~ "\n\n" if has_system and loop.first else "" -%}
    {{- " [INST] " ~ system ~ turn["content"] ~ " [/INST]" -}}
  {%- else -%}
    {{- " " ~ turn["content"] ~ eos_token -}}
  {%- endif -%}
{%- endfor -%}
]==]
