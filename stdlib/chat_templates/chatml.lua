--- ChatML: each turn between `<|im_start|>` with its role and `<|im_end|>`.

return [==[
{%- for turn in messages -%}
  {{- "<|im_start|>" ~ turn["role"] ~ "\n" ~ turn["content"] ~ "<|im_end|>\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- "<|im_start|>assistant\n" -}}
{%- endif -%}
]==]
