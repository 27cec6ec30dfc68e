CREATE TABLE public.answered (
    browser character varying(64) NOT NULL,
    account character varying(64) NOT NULL,
    at double precision NOT NULL
);
CREATE TABLE public.continued (
    run character varying(32) NOT NULL,
    of character varying(32) NOT NULL
);
CREATE TABLE public.events (
    run character varying(32) NOT NULL,
    number integer NOT NULL,
    event text NOT NULL
);
CREATE TABLE public.room_people (
    room character varying(6) NOT NULL,
    visitor character varying(64) NOT NULL,
    leads boolean NOT NULL,
    name text,
    folded text,
    number integer,
    joined double precision NOT NULL,
    "left" double precision
);
CREATE TABLE public.room_runs (
    run character varying(32) NOT NULL,
    room character varying(6) NOT NULL,
    visitor character varying(64) NOT NULL
);
CREATE TABLE public.room_tries (
    visitor character varying(64) NOT NULL,
    at double precision NOT NULL
);
CREATE TABLE public.rooms (
    code character varying(6) NOT NULL,
    key character varying(32) NOT NULL,
    title text NOT NULL,
    settings json NOT NULL,
    opened double precision NOT NULL,
    paused boolean NOT NULL,
    address text DEFAULT ''::text NOT NULL
);
CREATE TABLE public.runs (
    id character varying(32) NOT NULL,
    visitor character varying(64) NOT NULL,
    plan json NOT NULL,
    state character varying(16) NOT NULL,
    created double precision NOT NULL,
    claimed double precision,
    ended double precision,
    worker character varying(32),
    beat double precision,
    stop boolean NOT NULL,
    cancel boolean NOT NULL,
    result json,
    kind character varying(16) DEFAULT 'run'::character varying NOT NULL,
    subject character varying(128),
    approach character varying(16),
    part_of character varying(32),
    name text DEFAULT ''::text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    pinned boolean DEFAULT false NOT NULL,
    deleted double precision,
    score double precision,
    seconds double precision,
    words text
);
CREATE TABLE public.shares (
    token character varying(32) NOT NULL,
    run character varying(32) NOT NULL,
    created double precision NOT NULL
);
CREATE TABLE public.spent (
    id integer NOT NULL,
    visitor character varying(64) NOT NULL,
    what character varying(16) NOT NULL,
    at double precision NOT NULL,
    seconds double precision NOT NULL,
    run character varying(32)
);
CREATE SEQUENCE public.spent_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.spent_id_seq OWNED BY public.spent.id;
CREATE TABLE public.tidying (
    id integer NOT NULL,
    until double precision NOT NULL,
    ages character varying(128) NOT NULL,
    since double precision NOT NULL,
    taken double precision NOT NULL
);
CREATE SEQUENCE public.tidying_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tidying_id_seq OWNED BY public.tidying.id;
CREATE TABLE public.wanted (
    browser character varying(64) NOT NULL,
    page character varying(32) NOT NULL,
    query json NOT NULL,
    at double precision NOT NULL
);
CREATE TABLE public.workers (
    id character varying(32) NOT NULL,
    pid integer NOT NULL,
    ready boolean NOT NULL,
    beat double precision NOT NULL,
    heavy boolean DEFAULT true NOT NULL
);
ALTER TABLE ONLY public.spent ALTER COLUMN id SET DEFAULT nextval('public.spent_id_seq'::regclass);
ALTER TABLE ONLY public.tidying ALTER COLUMN id SET DEFAULT nextval('public.tidying_id_seq'::regclass);
INSERT INTO public.events VALUES ('over', 1, '{"type": "notice", "text": "so it was", "seconds": 0.5, "limits": true}');
INSERT INTO public.runs VALUES ('waiting', 'ann', '{"data": "digits", "approach": "transfer", "backbone": "small_resnet", "per_class": null, "seconds": 10, "seed": 0, "what_learns": "auto", "pace": null, "mends": []}', 'queued', 1700000000, NULL, NULL, NULL, NULL, false, false, NULL, 'run', 'digits', 'transfer', NULL, '', '', false, NULL, NULL, NULL, '  transfer learning on handwritten digits digits');
INSERT INTO public.runs VALUES ('over', 'ann', '{"data": "digits", "approach": "transfer", "backbone": "small_resnet", "per_class": null, "seconds": 10, "seed": 0, "what_learns": "auto", "pace": null, "mends": []}', 'finished', 1700000001, 1700000002, 1700000003, NULL, 1795523793.2750924, false, false, '{"type": "finished", "test_accuracy": 0.5, "test_accuracy_low": 0.1, "test_accuracy_high": 0.9, "seconds": 1.0}', 'run', 'digits', 'transfer', NULL, '', '', false, NULL, 0.5, 1, '  transfer learning on handwritten digits digits');
INSERT INTO public.workers VALUES ('w1', 1, true, 1795523793.278753, true);
SELECT pg_catalog.setval('public.spent_id_seq', 1, false);
SELECT pg_catalog.setval('public.tidying_id_seq', 1, false);
ALTER TABLE ONLY public.answered
    ADD CONSTRAINT answered_pkey PRIMARY KEY (browser, account);
ALTER TABLE ONLY public.continued
    ADD CONSTRAINT continued_pkey PRIMARY KEY (run);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (run, number);
ALTER TABLE ONLY public.room_people
    ADD CONSTRAINT room_people_pkey PRIMARY KEY (room, visitor);
ALTER TABLE ONLY public.room_people
    ADD CONSTRAINT room_people_room_folded_key UNIQUE (room, folded);
ALTER TABLE ONLY public.room_people
    ADD CONSTRAINT room_people_room_number_key UNIQUE (room, number);
ALTER TABLE ONLY public.room_runs
    ADD CONSTRAINT room_runs_pkey PRIMARY KEY (run);
ALTER TABLE ONLY public.rooms
    ADD CONSTRAINT rooms_pkey PRIMARY KEY (code);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_pkey PRIMARY KEY (token);
ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_run_key UNIQUE (run);
ALTER TABLE ONLY public.spent
    ADD CONSTRAINT spent_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tidying
    ADD CONSTRAINT tidying_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.wanted
    ADD CONSTRAINT wanted_pkey PRIMARY KEY (browser);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);
CREATE INDEX ix_continued_of ON public.continued USING btree (of);
CREATE INDEX ix_room_people_visitor ON public.room_people USING btree (visitor);
CREATE INDEX ix_room_runs_room ON public.room_runs USING btree (room);
CREATE INDEX ix_room_tries_at ON public.room_tries USING btree (at);
CREATE INDEX ix_runs_deleted ON public.runs USING btree (deleted);
CREATE INDEX ix_runs_ended ON public.runs USING btree (state, ended);
CREATE INDEX ix_runs_history ON public.runs USING btree (visitor, deleted, part_of, kind, pinned, created, score, seconds, id);
CREATE INDEX ix_runs_part_of ON public.runs USING btree (part_of);
CREATE INDEX ix_runs_state ON public.runs USING btree (state);
CREATE INDEX ix_runs_subject ON public.runs USING btree (subject);
CREATE INDEX ix_runs_visitor ON public.runs USING btree (visitor);
CREATE INDEX ix_spent_visitor ON public.spent USING btree (visitor);
